"""Rate slots: a request may be sent while fewer than the limit are younger than one minute.

A slot is taken in one transaction before sending and is free one minute after the answer or the
failure arrived. Servers count arrivals, and an arrival is never later than its answer, so a window
counted from the answer cannot overlap the server's; one counted from the sending can.

Kept in SQLite, so that concurrent and successive processes that share the file share the quota.
Windows follow the machine's clock, whatever instant the data pretends to live in.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SCHEMA = """
CREATE TABLE IF NOT EXISTS rate_slots (
  slot_id INTEGER PRIMARY KEY,
  bucket TEXT NOT NULL,
  answered_at REAL NOT NULL, -- while unanswered: when the request gives up at the latest
  answered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS rate_slots_by_bucket ON rate_slots (bucket, answered_at);
CREATE TABLE IF NOT EXISTS rate_limits (
  bucket TEXT PRIMARY KEY,
  per_minute INTEGER,
  not_before REAL NOT NULL DEFAULT 0
);
"""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Take the write lock at once: what is read inside is still true when it is written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def fingerprint(key: str) -> str:
    """Names a key without telling it: 16 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Bucket:
    """What one limit counts: a service, a class of request and a key."""

    service: str
    kind: str
    key: str
    per_minute: int | None = None
    """Documented limit; None where only the API's answers tell it."""

    @property
    def name(self) -> str:
        return f"{self.service}/{self.kind}/{self.key}"


class RateSlots:
    """Slots of every bucket in one SQLite connection (autocommit mode)."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        minute_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self.minute_seconds = minute_seconds
        self._clock = clock
        connection.executescript(SCHEMA)

    @classmethod
    def in_memory(cls, minute_seconds: float = 60.0) -> RateSlots:
        """Slots of this process alone."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        return cls(connection, minute_seconds)

    def take(self, bucket: Bucket, timeout_seconds: float) -> tuple[int, float]:
        """Take a slot.

        Args:
            timeout_seconds: when the request gives up at the latest; a slot whose process died
                counts as freed then.

        Returns:
            (slot id, 0.0), or (0, seconds to wait before trying again).
        """
        if self.minute_seconds == 0:
            wait = self._pause_left(bucket)
            return (0, wait) if wait > 0 else (-1, 0.0)
        with transaction(self._connection) as db:
            now = self._clock()
            db.execute(
                "DELETE FROM rate_slots WHERE answered_at <= ?", (now - self.minute_seconds,)
            )
            wait = self._pause_left(bucket)
            if wait > 0:
                return 0, wait
            taken, unanswered, oldest = db.execute(
                """SELECT count(*), count(*) FILTER (WHERE NOT answered AND answered_at > ?),
                          min(answered_at)
                   FROM rate_slots WHERE bucket = ?""",
                (now, bucket.name),
            ).fetchone()
            limit = self.limit(bucket)
            if limit is None:
                # One request at a time; its answer will tell the limit.
                if unanswered:
                    return 0, 0.05
            elif taken >= limit:
                return 0, max(oldest + self.minute_seconds - now, 0.0) + 0.001
            cursor = db.execute(
                "INSERT INTO rate_slots (bucket, answered_at) VALUES (?, ?)",
                (bucket.name, now + timeout_seconds),
            )
            return cursor.lastrowid or 0, 0.0

    def answered(self, slot_id: int) -> None:
        """The answer or the failure arrived: the slot is free one minute from now."""
        if slot_id > 0:
            self._connection.execute(
                "UPDATE rate_slots SET answered_at = ?, answered = 1 WHERE slot_id = ?",
                (self._clock(), slot_id),
            )

    def learn(self, bucket: Bucket, per_minute: int) -> None:
        """Remember the limit that an answer told; a change is obeyed at once."""
        if per_minute != self.limit(bucket):
            self._connection.execute(
                """INSERT INTO rate_limits (bucket, per_minute) VALUES (?, ?)
                   ON CONFLICT (bucket) DO UPDATE SET per_minute = excluded.per_minute""",
                (bucket.name, per_minute),
            )

    def pause(self, bucket: Bucket, seconds: float) -> None:
        """Nothing of this bucket is sent for so long: the API asked for it."""
        self._connection.execute(
            """INSERT INTO rate_limits (bucket, not_before) VALUES (?, ?)
               ON CONFLICT (bucket) DO UPDATE
               SET not_before = max(not_before, excluded.not_before)""",
            (bucket.name, self._clock() + seconds),
        )

    def in_use(self, bucket: Bucket) -> int:
        """Slots that are taken and not free again."""
        (taken,) = self._connection.execute(
            "SELECT count(*) FROM rate_slots WHERE bucket = ? AND answered_at > ?",
            (bucket.name, self._clock() - self.minute_seconds),
        ).fetchone()
        return int(taken)

    def limit(self, bucket: Bucket) -> int | None:
        """Requests a minute, documented or learnt; None while unknown."""
        if bucket.per_minute is not None:
            return bucket.per_minute
        row = self._connection.execute(
            "SELECT per_minute FROM rate_limits WHERE bucket = ?", (bucket.name,)
        ).fetchone()
        return row[0] if row else None

    def _pause_left(self, bucket: Bucket) -> float:
        row = self._connection.execute(
            "SELECT not_before FROM rate_limits WHERE bucket = ?", (bucket.name,)
        ).fetchone()
        return max(row[0] - self._clock(), 0.0) if row else 0.0
