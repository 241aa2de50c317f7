"""The domain clock, for instants in records, their progress and the Date header.

Rate windows do not use it: they follow the machine's monotonic clock.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta


def instant(value: datetime | str) -> datetime:
    """An instant in UTC; text is ISO 8601, and without an offset it is UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def text(value: datetime) -> str:
    """An instant as both references write it: whole seconds and a Z."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Clock:
    """The machine's clock until it is set; then it stops until it is set or advanced."""

    def __init__(self, now: datetime | str | None = None) -> None:
        now = now or os.environ.get("CLIPMART_NOW") or None
        self._pinned = instant(now) if now else None

    def now(self) -> datetime:
        """The present in whole seconds.

        The Date header has no fractions, and a record must not be newer than the answer
        that it is in.
        """
        return (self._pinned or datetime.now(UTC)).replace(microsecond=0)

    def set(self, now: datetime | str | None) -> None:
        """Stop at this instant; None follows the machine's clock again."""
        self._pinned = instant(now) if now else None

    def advance(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Move on by so much, and stop there."""
        self._pinned = (self._pinned or datetime.now(UTC)) + timedelta(
            seconds=seconds, minutes=minutes, hours=hours
        )
