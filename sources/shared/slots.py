"""Rate slots: a request may be sent while fewer than the limit are younger than one minute.

A slot is taken in one transaction before sending and is free one minute after the answer or the
failure arrived. Servers count arrivals, and an arrival is never later than its answer, so a window
counted from the answer cannot overlap the server's; one counted from the sending can.

Slots are stored in a database, SQLite or another `Store`, so that all processes that use it share
the quota, at the same time or one after another. Windows follow the store's own clock, so machines
whose clocks differ agree, and an injected time does not matter.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import TryAgainLater

LONGEST_ANSWER_SECONDS = 310.0  # a server may work for minutes before it answers a POST
LONGEST_PAUSE_SECONDS = 600.0

# Types and statements that SQLite and PostgreSQL read alike.
SCHEMA = """
CREATE TABLE IF NOT EXISTS rate_slots (
  slot_id BIGINT PRIMARY KEY,
  bucket TEXT NOT NULL,
  answered_at DOUBLE PRECISION NOT NULL, -- while unanswered: when the request gives up at latest
  answered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS rate_slots_by_bucket ON rate_slots (bucket, answered_at);
CREATE TABLE IF NOT EXISTS rate_limits (
  bucket TEXT PRIMARY KEY,
  per_minute INTEGER,
  not_before DOUBLE PRECISION NOT NULL DEFAULT 0
);
"""


class Store(Protocol):
    """A database for slots: SQLite here, PostgreSQL if machines share it."""

    def make(self, schema: str) -> None:
        """Create the tables that do not exist yet."""

    def execute(self, sql: str, values: Mapping[str, Any] = ...) -> Any:
        """Run a statement with `:name` values; outside a transaction it commits at once.

        `:now` is the store's clock, in seconds. Returns a DB-API cursor.
        """

    def transaction(self, lock: str) -> AbstractContextManager[None]:
        """A transaction in which nobody else with the same lock reads or writes."""


class StoreDown(TryAgainLater):
    """The store cannot be reached."""


STORE_ERRORS = (sqlite3.Error, StoreDown)


class SqliteStore:
    """A SQLite connection in autocommit mode; its clock is the machine's."""

    def __init__(
        self, connection: sqlite3.Connection, clock: Callable[[], float] = time.time
    ) -> None:
        self.connection = connection
        self._clock = clock

    def make(self, schema: str) -> None:
        """As `Store.make`."""
        self.connection.executescript(schema)

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> sqlite3.Cursor:
        """As `Store.execute`."""
        return self.connection.execute(sql, {"now": self._clock(), **(values or {})})

    def rollback(self) -> None:
        """End a transaction that was left open, without its changes."""
        self.connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    @contextmanager
    def transaction(self, lock: str) -> Iterator[None]:
        """Take the file's only write lock at once; `lock` does not matter."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            self.connection.rollback()
            raise


def fingerprint(key: str) -> str:
    """Identifies a key without revealing it: 16 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Bucket:
    """The requests that share one limit: a service, a class of request and a key."""

    service: str
    kind: str
    key: str
    per_minute: int | None = None
    """Documented limit; None if only the API's answers report it."""
    longest_seconds: float = LONGEST_ANSWER_SECONDS
    """The longest time-out of its requests."""

    @property
    def name(self) -> str:
        """Its name in the store."""
        return f"{self.service}/{self.kind}/{self.key}"


# A slot or a pause further ahead than any request could have put it comes from a clock that was
# wrong. Obeyed, it would hold back every request until that instant.
_POSSIBLE = "answered_at <= :now + :minute + CASE WHEN answered = 1 THEN 0 ELSE :longest END"


class RateSlots:
    """Slots of every bucket in one store."""

    def __init__(self, store: Store, minute_seconds: float) -> None:
        self._store = store
        self.minute_seconds = minute_seconds
        store.make(SCHEMA)

    @classmethod
    def in_memory(cls, minute_seconds: float = 60.0) -> RateSlots:
        """Slots of this process alone."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        return cls(SqliteStore(connection), minute_seconds)

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
        values = self._values(bucket)
        with self._store.transaction(bucket.name):
            wait = self._pause_left(bucket)
            if wait > 0:
                return 0, wait
            taken, unanswered, oldest, now = self._store.execute(
                f"""SELECT
                     count(*),
                     count(CASE WHEN answered = 0 AND answered_at > :now THEN 1 END),
                     min(answered_at),
                     :now
                   FROM rate_slots
                   WHERE bucket = :bucket AND answered_at > :now - :minute AND {_POSSIBLE}""",
                values,
            ).fetchone()
            limit = self.limit(bucket)
            if limit is None:
                # One request at a time; its answer will report the limit.
                if unanswered:
                    return 0, 0.05
            elif taken >= limit:
                # An open request may be answered at any moment; a minute later its slot is free.
                return 0, max(min(oldest, now) + self.minute_seconds - now, 0.0) + 0.001
            self._store.execute(
                f"""DELETE FROM rate_slots WHERE bucket = :bucket
                    AND (answered_at <= :now - :minute OR NOT {_POSSIBLE})""",
                values,
            )
            slot_id = secrets.randbits(62) + 1
            self._store.execute(
                """INSERT INTO rate_slots (slot_id, bucket, answered_at)
                   VALUES (:slot, :bucket, :now + :timeout)""",
                {**values, "slot": slot_id, "timeout": timeout_seconds},
            )
            return slot_id, 0.0

    def answered(self, slot_id: int) -> None:
        """Note that the answer or the failure arrived: the slot is free one minute from now."""
        if slot_id > 0:
            self._store.execute(
                "UPDATE rate_slots SET answered_at = :now, answered = 1 WHERE slot_id = :slot",
                {"slot": slot_id},
            )

    def learn(self, bucket: Bucket, per_minute: int) -> None:
        """Remember the limit that an answer reported; a change applies at once."""
        if per_minute != self.limit(bucket):
            self._store.execute(
                """INSERT INTO rate_limits (bucket, per_minute) VALUES (:bucket, :limit)
                   ON CONFLICT (bucket) DO UPDATE SET per_minute = excluded.per_minute""",
                {"bucket": bucket.name, "limit": per_minute},
            )

    def pause(self, bucket: Bucket, seconds: float) -> None:
        """Send nothing of this bucket for so long: the API demands it."""
        self._store.execute(
            """INSERT INTO rate_limits (bucket, not_before) VALUES (:bucket, :now + :seconds)
               ON CONFLICT (bucket) DO UPDATE SET not_before = excluded.not_before
               WHERE excluded.not_before > rate_limits.not_before
                 OR rate_limits.not_before > :now + :furthest""",
            {"bucket": bucket.name, "seconds": seconds, "furthest": self._longest_pause},
        )

    def in_use(self, bucket: Bucket) -> int:
        """The number of slots that are taken and not free again."""
        (taken,) = self._store.execute(
            f"""SELECT count(*) FROM rate_slots
                WHERE bucket = :bucket AND answered_at > :now - :minute AND {_POSSIBLE}""",
            self._values(bucket),
        ).fetchone()
        return int(taken)

    def limit(self, bucket: Bucket) -> int | None:
        """Requests a minute, documented or learned from an answer; None while unknown."""
        if bucket.per_minute is not None:
            return bucket.per_minute
        row = self._store.execute(
            "SELECT per_minute FROM rate_limits WHERE bucket = :bucket", {"bucket": bucket.name}
        ).fetchone()
        return row[0] if row else None

    def _pause_left(self, bucket: Bucket) -> float:
        row = self._store.execute(
            "SELECT not_before - :now FROM rate_limits WHERE bucket = :bucket",
            {"bucket": bucket.name},
        ).fetchone()
        return row[0] if row and 0 < row[0] <= self._longest_pause else 0.0

    @property
    def _longest_pause(self) -> float:
        return LONGEST_PAUSE_SECONDS + 2 * self.minute_seconds

    def _values(self, bucket: Bucket) -> dict[str, Any]:
        return {
            "bucket": bucket.name,
            "minute": self.minute_seconds,
            "longest": bucket.longest_seconds,
        }
