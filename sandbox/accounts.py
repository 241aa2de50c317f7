"""Keys and their rights: plans, scopes, credit accounts, and refusals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

KLIPIT_KEY = "klipit_sk_sandbox"
CLIPUS_KEY = "sk_live_sandbox"

# Klipit reference, "API key scopes"; campaigns:create is Clipus's only documented scope.
KLIPIT_SCOPES = (
    "jobs:create",
    "jobs:read",
    "clips:read",
    "exports:create",
    "account:read",
    "webhooks:*",
)
CLIPUS_SCOPES = ("campaigns:create",)


class Refused(Exception):
    """A documented refusal; each API words it in its own shape."""

    def __init__(self, status: int, code: str, message: str, retry_after: float = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Key:
    """An accepted key. The log has its `name`, never the key itself."""

    name: str
    service: str
    account: str
    scopes: tuple[str, ...]
    plan: str = ""  # Clipus only


@dataclass
class Plan:
    """A Clipus plan. The numbers are invented; only Growth and above have API access."""

    requests_per_minute: int
    languages: int
    videos_per_month: int
    has_api: bool = True


def default_plans() -> dict[str, Plan]:
    """Plans by name; 8 languages are the documented maximum."""
    return {
        "starter": Plan(10, languages=1, videos_per_month=10, has_api=False),
        "growth": Plan(60, languages=4, videos_per_month=60),
        "scale": Plan(120, languages=8, videos_per_month=300),
    }


@dataclass(frozen=True, slots=True)
class CreditChange:
    """One change of an account's credits."""

    at: datetime
    amount: float
    balance: float  # after it
    reason: str


@dataclass
class Account:
    """A Klipit account's credits; `changes` has every change, for tests to compare with."""

    name: str
    balance: float
    changes: list[CreditChange] = field(default_factory=list)

    def change(self, at: datetime, amount: float, reason: str) -> None:
        """Add credits, or subtract them if `amount` is negative."""
        self.balance += amount
        self.changes.append(CreditChange(at, amount, self.balance, reason))


def fingerprint(secret: str) -> str:
    """The name of an unknown key in the log."""
    return f"unknown:{hashlib.sha256(secret.encode()).hexdigest()[:8]}"
