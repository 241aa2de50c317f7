"""Who asks, and what they may: keys, plans, credit accounts, and refusals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

KLIPIT_KEY = "klipit_sk_sandbox"
CLIPUS_KEY = "sk_live_sandbox"

# Klipit reference, "API key scopes"; NOTES: campaigns:create is Clipus's only one.
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
    """An accepted key. The log knows it by `name`; the key itself is kept nowhere else."""

    name: str
    service: str
    account: str
    scopes: tuple[str, ...]
    plan: str = ""  # Clipus only


@dataclass
class Plan:
    """A Clipus plan. The numbers are made up; only Growth and above reach the API."""

    requests_per_minute: int
    languages: int
    videos_per_month: int
    has_api: bool = True


def default_plans() -> dict[str, Plan]:
    """NOTES: 8 languages are the most that any plan gives."""
    return {
        "starter": Plan(10, languages=1, videos_per_month=10, has_api=False),
        "growth": Plan(60, languages=4, videos_per_month=60),
        "scale": Plan(120, languages=8, videos_per_month=300),
    }


@dataclass(frozen=True, slots=True)
class CreditChange:
    at: datetime
    amount: float
    balance: float  # after it
    reason: str


@dataclass
class Account:
    """A Klipit account in credits. `changes` holds every change, the truth for tests."""

    name: str
    balance: float
    changes: list[CreditChange] = field(default_factory=list)

    def change(self, at: datetime, amount: float, reason: str) -> None:
        self.balance += amount
        self.changes.append(CreditChange(at, amount, self.balance, reason))


def fingerprint(secret: str) -> str:
    """How an unknown key is named in the log."""
    return f"unknown:{hashlib.sha256(secret.encode()).hexdigest()[:8]}"
