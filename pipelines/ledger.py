"""The ledger: one SQLite file that never waits for DuckDB.

It holds the inbox (append-only events: an import, an intent, its answer, a webhook, a balance), the
rate slots, the run log and the progress of the run at work. An event that was answered for is on
disk: the file is in WAL mode with full synchronisation.

Events are numbered inside the transaction that writes them, so their order is the order of their
commits and a cursor can't pass one that is still being written. The number is the machine's clock
in microseconds, or one more than the last: a ledger that was lost and begun again goes on above
everything a landing store has already drained.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sources.shared.errors import FixConfiguration
from sources.shared.slots import RateSlots, transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY,
  event_id TEXT NOT NULL UNIQUE,
  service TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT,
  body TEXT NOT NULL,
  recorded_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_subject ON events (service, subject);
CREATE TABLE IF NOT EXISTS runs (
  run_id TEXT PRIMARY KEY,
  started_at TEXT NOT NULL,
  finished_at TEXT,
  exit_code INTEGER,
  result TEXT
);
CREATE INDEX IF NOT EXISTS runs_by_start ON runs (started_at);
CREATE TABLE IF NOT EXISTS progress (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS proven_keys (name TEXT PRIMARY KEY, proven_at TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Event:
    """One row of the inbox."""

    service: str
    kind: str
    """import, intent, answer, tie, webhook, due, balance, export or notified."""
    event_id: str
    subject: str | None
    """The job, campaign or intent it is about."""
    recorded_at: datetime
    body: dict[str, Any] = field(default_factory=dict)
    seq: int = 0


class Ledger:
    """Opens the ledger, making it where there is none.

    Raises:
        FixConfiguration: the folder cannot be written or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            make_private(path.parent)
            self.connection = sqlite3.connect(
                path, isolation_level=None, timeout=30.0, check_same_thread=False
            )
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.executescript(SCHEMA)
            path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise unusable(path, error) from error

    def close(self) -> None:
        self.connection.close()

    def slots(self, minute_seconds: float) -> RateSlots:
        return RateSlots(self.connection, minute_seconds)

    def add(self, events: Iterable[Event], check: Callable[[], None] = lambda: None) -> int:
        """Append events in one transaction; returns how many were new (by event_id).

        Args:
            check: called inside it; what it finds still holds when the events are written, and
                what it raises leaves them unwritten.
        """
        added = 0
        with transaction(self.connection) as db:
            check()
            (last,) = db.execute("SELECT COALESCE(max(seq), 0) FROM events").fetchone()
            seq = max(last + 1, time.time_ns() // 1000)
            for event in events:
                cursor = db.execute(
                    """INSERT INTO events (seq, event_id, service, kind, subject, body, recorded_at)
                       VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING""",
                    (
                        seq,
                        event.event_id,
                        event.service,
                        event.kind,
                        event.subject,
                        json.dumps(event.body),
                        event.recorded_at.isoformat(),
                    ),
                )
                added += cursor.rowcount
                seq += cursor.rowcount
        return added

    def events(self, service: str, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[Event]:
        """Events of a service above a cursor, in commit order."""
        wanted = list(kinds)
        marks = ", ".join("?" * len(wanted))
        sql = (
            "SELECT seq, event_id, service, kind, subject, body, recorded_at FROM events "
            "WHERE service = ? AND seq > ?"
            + (f" AND kind IN ({marks})" if wanted else "")
            + " ORDER BY seq"
        )
        for row in self.connection.execute(sql, (service, after, *wanted)):
            yield Event(
                seq=row[0],
                event_id=row[1],
                service=row[2],
                kind=row[3],
                subject=row[4],
                body=json.loads(row[5]),
                recorded_at=datetime.fromisoformat(row[6]),
            )

    def last_seq(self, service: str, kinds: Iterable[str]) -> int:
        """The number of a service's latest event of these kinds; 0 without one."""
        wanted = list(kinds)
        marks = ", ".join("?" * len(wanted))
        (last,) = self.connection.execute(
            f"SELECT COALESCE(max(seq), 0) FROM events WHERE service = ? AND kind IN ({marks})",
            (service, *wanted),
        ).fetchone()
        return int(last)

    def start_run(self, run_id: str, started_at: datetime) -> None:
        self.connection.execute(
            "INSERT INTO runs (run_id, started_at) VALUES (?, ?)", (run_id, started_at.isoformat())
        )

    def finish_run(self, run_id: str, finished_at: datetime, result: dict[str, Any]) -> None:
        self.connection.execute(
            "UPDATE runs SET finished_at = ?, exit_code = ?, result = ? WHERE run_id = ?",
            (finished_at.isoformat(), result["exit_code"], json.dumps(result), run_id),
        )

    def runs(self, limit: int = -1, finished_since: datetime | None = None) -> list[dict[str, Any]]:
        """Runs, the latest first: run_id, started_at, finished_at, exit_code, result."""
        since = finished_since.isoformat() if finished_since else ""
        rows = self.connection.execute(
            """SELECT run_id, started_at, finished_at, exit_code, result FROM runs
               WHERE COALESCE(finished_at, '9') >= ?
               ORDER BY started_at DESC, rowid DESC LIMIT ?""",
            (since, limit),
        )
        return [
            {
                "run_id": row[0],
                "started_at": row[1],
                "finished_at": row[2],
                "exit_code": row[3],
                "result": json.loads(row[4]) if row[4] else None,
            }
            for row in rows
        ]

    def last_synced(self, service: str) -> datetime | None:
        """When a run ended that asked for everything due of a service and published it.

        One in which some ids failed counts; one that was stopped, or met an API that was down,
        does not.
        """
        row = self.connection.execute(
            """SELECT finished_at FROM runs,
                 (SELECT '$.services.' || ? AS place)
               WHERE json_type(result, place) = 'object'
                 AND json_extract(result, '$.error') IS NULL
                 AND CASE WHEN json_extract(result, place || '.error') IS NULL
                   THEN exit_code <> 75 OR json_extract(result, place || '.remaining') = 0
                   ELSE json_extract(result, place || '.asked') =
                     json_extract(result, place || '.due')
                     AND json_extract(result, place || '.remaining') <
                     json_extract(result, place || '.due')
                 END
               ORDER BY started_at DESC LIMIT 1""",
            (service,),
        ).fetchone()
        return datetime.fromisoformat(row[0]) if row else None

    def ids_since(
        self, service: str, id_name: str, published_at: datetime | None
    ) -> dict[str, bool]:
        """Ids told since the run that published began → whether by a webhook."""
        rows = self.connection.execute(
            """SELECT json_extract(body, '$.' || ?) AS id, max(kind = 'webhook') FROM (
                 SELECT body, kind FROM events
                 WHERE service = ? AND kind IN ('import', 'answer', 'tie', 'webhook')
                   AND recorded_at >= COALESCE(
                     (SELECT max(started_at) FROM runs WHERE started_at <= ?), ''))
               WHERE id IS NOT NULL GROUP BY id""",
            (id_name, service, published_at.isoformat() if published_at else ""),
        )
        return {id_: bool(by_webhook) for id_, by_webhook in rows}

    def note(self, name: str, value: Any) -> None:
        """Keep the latest value under a name, for `status` to read."""
        self.connection.execute(
            """INSERT INTO progress (name, value) VALUES (?, ?)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value""",
            (name, json.dumps(value)),
        )

    def noted(self, name: str) -> Any:
        row = self.connection.execute(
            "SELECT value FROM progress WHERE name = ?", (name,)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def is_proven(self, key: str) -> bool:
        """Whether an id has ever been answered 2xx under this key's fingerprint."""
        return bool(
            self.connection.execute("SELECT 1 FROM proven_keys WHERE name = ?", (key,)).fetchone()
        )

    def prove(self, key: str, at: datetime) -> None:
        self.connection.execute(
            "INSERT OR IGNORE INTO proven_keys VALUES (?, ?)", (key, at.isoformat())
        )


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can read."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def unusable(path: Path, error: Exception) -> FixConfiguration:
    damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    )
    remedy = (
        "It is damaged; `clipmart recover` makes a new one from the published file."
        if damaged
        else f"Make {path.parent} writable for this user, or set CLIPMART_DATA_DIR to a folder "
        f"that is (now in use: {os.fspath(path.parent.parent)})."
    )
    return FixConfiguration(f"{path} cannot be used: {error}. Nothing was changed. {remedy}")
