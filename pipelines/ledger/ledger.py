"""The ledger: one SQLite file, or one PostgreSQL schema, that never waits for DuckDB.

It holds the inbox (append-only events: an import, an intent, its answer, a webhook, a balance), the
rate slots, the run log and the progress of the current run. An event is on disk before it is
acknowledged: the file is in WAL mode with full synchronisation. In PostgreSQL several machines
share it: rate slots, inbox and locks are then held there, by the server's clock.

Events are numbered inside the transaction that writes them, so their order is the order of their
commits and a cursor can't pass one that is still being written. The number is the store's clock in
microseconds, or one more than the last: a ledger that was lost and started again numbers its events
above everything that a landing store has drained.

No event is ever left out of what is read, but those that have been published for a while are moved
into compressed blocks, and what only the run log or a poll needed is removed (`compaction.py`).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.disk import disk_full, is_full
from pipelines.settings import Address, Settings
from sources.shared.errors import ClipmartError, FixConfiguration, TryAgainLater
from sources.shared.slots import RateSlots, SqliteStore

from . import blocks
from .formats import FORMAT, refuse_newer

if TYPE_CHECKING:
    from .postgres import PostgresStore

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  seq BIGINT PRIMARY KEY,
  event_id TEXT NOT NULL UNIQUE,
  service TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT,
  body TEXT NOT NULL,
  recorded_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_subject ON events (service, subject);
CREATE INDEX IF NOT EXISTS events_by_kind ON events (service, kind, seq);
CREATE TABLE IF NOT EXISTS runs (
  run_id TEXT PRIMARY KEY,{rowid}
  started_at TEXT NOT NULL,
  finished_at TEXT,
  exit_code INTEGER,
  result TEXT
);
CREATE INDEX IF NOT EXISTS runs_by_start ON runs (started_at);
CREATE TABLE IF NOT EXISTS progress (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS proven_keys (name TEXT PRIMARY KEY, proven_at TEXT NOT NULL);
"""
CLAIMS = """
CREATE TABLE IF NOT EXISTS claims (
  service TEXT NOT NULL,
  id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  made_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (service, id)
);
"""
CLAIM_SECONDS = 7 * 86_400
LOG_BYTES = 4 * 1024 * 1024
"""Of SQLite's log, to which it shrinks once it has been written into the file."""
AHEAD = timedelta(minutes=5)
"""A run dated further ahead was stamped by a wrong clock and is ignored."""


@dataclass(frozen=True)
class Event:
    """One row of the inbox."""

    service: str
    kind: str
    """import, untrack, intent, answer, tie, webhook, due, balance, undo, export or notified."""
    event_id: str
    subject: str | None
    """The job, campaign or intent it is about."""
    recorded_at: datetime
    body: dict[str, Any] = field(default_factory=dict)
    seq: int = 0


class Ledger:
    """An open ledger; it is created if there is none.

    Args:
        read_only: change and create nothing; a read-only folder will do.

    Raises:
        FixConfiguration: the folder cannot be written, the file is damaged or of a newer clipmart,
            or the database cannot be used.
        StoreDown: the database cannot be reached.
    """

    def __init__(self, place: Path | Address, *, read_only: bool = False) -> None:
        self.place = place
        self._read_only = read_only
        self._run_id = ""
        self._run_began = 0.0
        self._has_blocks = True
        self.shared: PostgresStore | None = None
        """The database, if several machines share it."""
        if isinstance(place, Address):
            from .postgres import PostgresStore

            self.store: SqliteStore | PostgresStore
            self.store = self.shared = PostgresStore(place, "clipmart_ledger")
            is_current = self._is_current()
            # SQLite has it by itself: the order in which the runs were added.
            rowid = " rowid BIGINT GENERATED ALWAYS AS IDENTITY,"
            self.store.make(
                SCHEMA.format(rowid=rowid) + blocks.SCHEMA.format(bytes="BYTEA") + CLAIMS
            )
            if not is_current:
                self.note(_FORMAT, FORMAT)
            return
        try:
            if read_only:
                self.store = SqliteStore(_read_only_connection(place))
                self._has_blocks = self._is_current()
                return
            make_private(place.parent)
            self.store = SqliteStore(
                sqlite3.connect(place, isolation_level=None, timeout=30.0, check_same_thread=False)
            )
            is_current = self._is_current()
            if not is_current:
                self._let_shrink()
            self.store.execute("PRAGMA journal_mode = WAL")
            self.store.execute("PRAGMA synchronous = FULL")
            self.store.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
            self.store.make(SCHEMA.format(rowid="") + blocks.SCHEMA.format(bytes="BLOB"))
            if not is_current:
                self.store.execute(f"PRAGMA user_version = {FORMAT}")
            place.chmod(0o600)
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            raise ledger_unusable_error(place, error) from error

    def _is_current(self) -> bool:
        """Whether the store has this version's format, and not an earlier one or none.

        Raises:
            FixConfiguration: it has a newer one.
        """
        if self.shared is None:
            (number,) = self.store.execute("PRAGMA user_version").fetchone()
        else:
            (is_new,) = self.store.execute("SELECT to_regclass('progress') IS NULL").fetchone()
            number = 0 if is_new else self.read_note(_FORMAT) or 0
        try:
            refuse_newer(self.place, number)
        except FixConfiguration:
            self.close()
            raise
        return bool(number == FORMAT)

    def _let_shrink(self) -> None:
        """Let a file give pages back; one of an earlier format is written again for that, once."""
        self.store.execute("PRAGMA auto_vacuum = INCREMENTAL")
        with suppress(
            sqlite3.OperationalError
        ):  # a full disk: the file's free pages are used again
            self.store.execute("VACUUM")

    def close(self) -> None:
        """Close the connection to the store."""
        self.store.close()

    def slots(self, minute_seconds: float) -> RateSlots:
        """The rate slots in this ledger; in memory if it is read-only and has none yet."""
        try:
            return RateSlots(self.store, minute_seconds)
        except sqlite3.OperationalError:
            if not self._read_only:
                raise
            return RateSlots.in_memory(minute_seconds)

    def add(self, events: Iterable[Event], check: Callable[[], None] = lambda: None) -> int:
        """Append events in one transaction; returns how many were new (by event_id).

        Args:
            check: called inside the transaction, so what it reads is still true when the events
                are written; if it raises, nothing is written.
        """
        added = 0
        with self.store.transaction("inbox"):
            check()
            last, now = self.store.execute(
                "SELECT COALESCE(max(seq), 0), :now FROM events"
            ).fetchone()
            seq = max(last + 1, int(now * 1_000_000))
            for event in events:
                written = self.store.execute(
                    """INSERT INTO events (seq, event_id, service, kind, subject, body, recorded_at)
                       VALUES (:seq, :event_id, :service, :kind, :subject, :body, :recorded_at)
                       ON CONFLICT (event_id) DO NOTHING""",
                    {
                        "seq": seq,
                        "event_id": event.event_id,
                        "service": event.service,
                        "kind": event.kind,
                        "subject": event.subject,
                        "body": json.dumps(event.body),
                        "recorded_at": event.recorded_at.isoformat(),
                    },
                ).rowcount
                added += written
                seq += written
        return added

    def events(
        self,
        service: str,
        after: int = 0,
        kinds: Iterable[str] = (),
        *,
        since: str = "",
        most: int | None = None,
    ) -> Iterator[Event]:
        """Events of a service above a cursor, in commit order.

        Args:
            since: only those recorded at this instant (ISO 8601) or later.
            most: how many at most.
        """
        rows = self._rows(service, after, list(kinds), since, most)
        return (_event(service, *row) for row in islice(rows, most))

    def _rows(
        self,
        service: str,
        after: int = 0,
        kinds: Iterable[str] = (),
        since: str = "",
        most: int | None = None,
        subjects: Set[str] = frozenset(),
    ) -> Iterator[tuple[blocks.Packed, str]]:
        """The same as they are stored, with their kinds; at least `most` if there are as many.

        Args:
            subjects: only events about these; none: all.
        """
        condition, values = _event_condition(service, kinds)
        about = {}
        if len(subjects) <= SUBJECTS:
            about = {f"subject{number}": subject for number, subject in enumerate(subjects)}
        of_subjects = f"AND subject IN ({', '.join(f':{name}' for name in about)})" if about else ""
        # One statement, because a compaction between two would hide what it moves.
        sql = f"""SELECT seq AS first_seq, kind, event_id, subject, body, recorded_at, NULL AS block
                  FROM events WHERE seq > :after AND recorded_at >= :since
                    AND {condition} {of_subjects}"""
        if self._has_blocks:
            sql += f""" UNION ALL
                  SELECT first_seq, kind, NULL, NULL, NULL, NULL, events FROM blocks
                  WHERE last_seq > :after AND recorded_until >= :since AND {condition}"""
        limited = "" if most is None else f"LIMIT {most + 1:d}"
        rows = self.store.execute(
            f"{sql} ORDER BY 1 {limited}", {"after": after, "since": since, **values, **about}
        )
        # Events of blocks that have been read, and may follow ones of rows that have not.
        waiting: list[tuple[blocks.Packed, str]] = []
        for number, (first, kind, event_id, subject, body, recorded_at, block) in enumerate(rows):
            while waiting and waiting[0][0][0] < first:
                yield heappop(waiting)
            if number == most:
                return
            if block is None:
                if not subjects or subject in subjects:
                    yield (first, event_id, subject, body, recorded_at), kind
                continue
            for packed in blocks.unpack(block):
                if subjects and packed[2] not in subjects:
                    continue
                if packed[0] > after and packed[4] >= since:
                    heappush(waiting, (packed, kind))
        while waiting:
            yield heappop(waiting)

    def events_about(self, service: str, id_name: str, ids: Iterable[str]) -> list[Event]:
        """Events about these ids or their intents, in commit order.

        An answer's subject is its intent, so the ids of all answers are compared.
        """
        wanted = set(ids)
        if not wanted:
            return []
        answers = self.texts(service, ("answer",))
        intents = {subject for _, subject, body in answers if _parsed(body).get(id_name) in wanted}
        rows = self._rows(service, subjects=wanted | intents)
        return [_event(service, *row) for row in rows]

    def texts(self, service: str, kinds: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """(kind, subject, body as JSON text) of events, in commit order: quicker than `events`."""
        return (
            (kind, packed[2] or "", packed[3]) for packed, kind in self._rows(service, kinds=kinds)
        )

    def last_seq(self, service: str, kinds: Iterable[str]) -> int:
        """The number of a service's latest event of these kinds; 0 without one."""
        named = {f"kind_{number}": kind for number, kind in enumerate(kinds)}
        # A query for each kind: the index answers it by its last entry, however many there are.
        last_of_each = " UNION ALL ".join(
            f"SELECT max(seq) AS last FROM events WHERE service = :service AND kind = :{name}"
            for name in named
        )
        (last,) = self.store.execute(
            f"SELECT COALESCE(max(last), 0) FROM ({last_of_each}) AS kinds",
            {"service": service, **named},
        ).fetchone()
        return int(last)

    def number_above(self, landed: int) -> None:
        """Number the events above those that have landed, if all of them are below.

        A ledger that was lost and started again is below what it landed under a clock that was
        ahead; the cursor would never reach its events. Those that had landed land again, by key.
        """
        with self.store.transaction("inbox"):
            first, last = self.store.execute(
                "SELECT COALESCE(min(seq), 0), COALESCE(max(seq), 0) FROM events"
            ).fetchone()
            if 0 < last < landed:
                # By more than their span, so that no two collide on the way.
                up = max(landed + 1 - first, last + 1 - first)
                self.store.execute("UPDATE events SET seq = seq + :up", {"up": up})

    def number_now(self) -> int:
        """The number that an event would have now: microseconds by the ledger's clock."""
        (now,) = self.store.execute("SELECT :now").fetchone()
        return int(now * 1_000_000)

    def start_run(self, run_id: str, started_at: datetime) -> None:
        """Record that a run began, and drop claims that no run needs any more."""
        self.store.execute(
            """INSERT INTO runs (run_id, started_at) VALUES (:run, :at)
               ON CONFLICT (run_id) DO NOTHING""",
            {"run": run_id, "at": started_at.isoformat()},
        )
        if self.shared is not None:
            self._run_id = run_id
            self.shared.hold(run_id)
            (self._run_began,) = self.shared.execute("SELECT :now").fetchone()
            self.shared.execute(
                f"""DELETE FROM claims WHERE made_at < :now - {CLAIM_SECONDS}
                    OR made_at > :now + {AHEAD.total_seconds()}"""
            )

    def claim(self, service: str, id_: str) -> bool:
        """Whether this run may request an id: no other run requests it or has just done so.

        Simultaneous runs have the same ids due, and share them. What a killed run leaves is due in
        the next one.
        """
        if self.shared is None:
            return True
        ended = self.shared.lock_is_free("claims.run_id")
        return bool(
            self.shared.execute(
                f"""INSERT INTO claims (service, id, run_id, made_at)
                    VALUES (:service, :id, :run, :now)
                    ON CONFLICT (service, id) DO UPDATE
                    SET run_id = excluded.run_id, made_at = excluded.made_at
                    WHERE claims.run_id = :run OR (claims.made_at < :began AND {ended})
                    RETURNING 1""",
                {"service": service, "id": id_, "run": self._run_id, "began": self._run_began},
            ).fetchone()
        )

    def alone(self, part: str) -> AbstractContextManager[None]:
        """Enter a part of the work that one process at a time may be in, on any machine.

        If the ledger is a file, its folder's own lock ensures that.
        """
        return nullcontext() if self.shared is None else self.shared.alone(part)

    def finish_run(self, run_id: str, finished_at: datetime, result: dict[str, Any]) -> None:
        """Record a run's end and its result, which holds `exit_code`."""
        self.store.execute(
            """UPDATE runs SET finished_at = :at, exit_code = :code, result = :result
               WHERE run_id = :run""",
            {
                "at": finished_at.isoformat(),
                "code": result["exit_code"],
                "result": json.dumps(result),
                "run": run_id,
            },
        )

    def runs(
        self, now: datetime, limit: int | None = None, finished_since: datetime | None = None
    ) -> list[dict[str, Any]]:
        """Runs, the latest first, without those dated ahead of `now`.

        Returns:
            run_id, started_at, finished_at (ISO 8601 text), exit_code and result of each.
        """
        limited = "" if limit is None else f"LIMIT {limit:d}"
        rows = self.store.execute(
            f"""SELECT run_id, started_at, finished_at, exit_code, result FROM runs
                WHERE COALESCE(finished_at, '9') >= :since AND NOT {_RUN_AHEAD}
                ORDER BY started_at DESC, rowid DESC {limited}""",
            {
                "since": finished_since.isoformat() if finished_since else "",
                "until": (now + AHEAD).isoformat(),
            },
        )
        return [
            {
                "run_id": row[0],
                "started_at": row[1],
                "finished_at": row[2],
                "exit_code": row[3],
                "result": _parsed(row[4]) if row[4] else None,
            }
            for row in rows
        ]

    def runs_ahead(self, now: datetime) -> int:
        """How many runs are dated ahead of `now`: the clock was wrong."""
        (count,) = self.store.execute(
            f"SELECT count(*) FROM runs WHERE {_RUN_AHEAD}", {"until": (now + AHEAD).isoformat()}
        ).fetchone()
        return int(count)

    def last_synced(self, service: str, now: datetime) -> datetime | None:
        """When the last run ended that requested what was due of a service and published it.

        A run in which some ids failed counts, and one that --max-minutes ended, if it made
        progress. A run does not count if it was stopped, if the API was down, if it made no
        progress with what was due, or if it is dated ahead of `now`.
        """
        rows = self.store.execute(
            f"""SELECT finished_at, exit_code, result FROM runs
                WHERE result IS NOT NULL AND NOT {_RUN_AHEAD} ORDER BY started_at DESC""",
            {"until": (now + AHEAD).isoformat()},
        )
        for finished_at, exit_code, text in rows:
            result = _parsed(text)
            outcome = result["services"].get(service)
            if outcome is None or result["error"] is not None:
                continue
            due, requested, remaining = (outcome[n] for n in ("due", "asked", "remaining"))
            if due and (not requested or remaining == due):
                continue
            if outcome["error"] is None:
                done = exit_code != 75 or remaining == 0
            else:
                done = requested == due > remaining
            if done:
                return _instant(finished_at)
        return None

    def ids_since(
        self, service: str, id_name: str, published_at: datetime | None, now: datetime
    ) -> dict[str, set[str]]:
        """Ids named since the run that published began → the kinds of events that named them.

        Of an untracked id only the kinds since then, and `untrack` until it is tracked again.
        """
        began = self._began(published_at, now)
        named_by = ("import", "untrack", "answer", "tie", "webhook")
        kinds: dict[str, set[str]] = {}
        for event in self.events(service, kinds=named_by, since=began):
            if id_ := event.body.get(id_name):
                named = kinds.setdefault(id_, set())
                if event.kind == "untrack":
                    named.clear()
                elif event.kind != "webhook":
                    named.discard("untrack")
                named.add(event.kind)
        return kinds

    def subjects(
        self, service: str, published_at: datetime | None, now: datetime
    ) -> Iterator[tuple[str | None, bool]]:
        """The subject of each event, and whether it was named since the run that published."""
        began = self._began(published_at, now)
        for (_, _, subject, _, recorded_at), kind in self._rows(service):
            if kind != "due":
                yield subject, recorded_at >= began

    def _began(self, published_at: datetime | None, now: datetime) -> str:
        """When the run began that published; "" if nothing is published."""
        (began,) = self.store.execute(
            "SELECT max(started_at) FROM runs WHERE started_at <= :at",
            {"at": min(published_at, now).isoformat() if published_at else ""},
        ).fetchone()
        return began or ""

    def note(self, name: str, value: Any) -> None:
        """Save the latest value under a name, such as the progress that `status` reads."""
        self.store.execute(
            """INSERT INTO progress (name, value) VALUES (:name, :value)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value""",
            {"name": name, "value": json.dumps(value)},
        )

    def read_note(self, name: str) -> Any:
        """The latest value saved under a name; None without one."""
        row = self.store.execute(
            "SELECT value FROM progress WHERE name = :name", {"name": name}
        ).fetchone()
        return _parsed(row[0]) if row else None

    def is_proven(self, key: str) -> bool:
        """Whether an id has ever been answered 2xx under this key's fingerprint."""
        return bool(
            self.store.execute(
                "SELECT 1 FROM proven_keys WHERE name = :name", {"name": key}
            ).fetchone()
        )

    def prove(self, key: str, at: datetime) -> None:
        """Record that an id was answered 2xx under this key's fingerprint."""
        self.store.execute(
            """INSERT INTO proven_keys (name, proven_at) VALUES (:name, :at)
               ON CONFLICT (name) DO NOTHING""",
            {"name": key, "at": at.isoformat()},
        )


def open_ledger(settings: Settings, *, read_only: bool = False) -> Ledger:
    """The ledger that the settings name: the file in the data folder, or a shared database."""
    return Ledger(settings.ledger_database or settings.ledger, read_only=read_only)


def _read_only_connection(path: Path) -> sqlite3.Connection:
    """A connection that only reads; in a read-only folder without the log's index, only the file.

    Without its log (-wal) the last writes of a sync may be missing; none can be running there.
    """
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None, timeout=30.0)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if is_busy(error):
            raise
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None)
    return connection


_FORMAT = "format"
"""The note under which a database saves its format; SQLite's files have a field for it."""

SUBJECTS = 500
"""Most subjects that one statement looks up by the index."""

_RUN_AHEAD = "(started_at > :until OR COALESCE(finished_at, '') > :until)"


def _event_condition(service: str, kinds: Iterable[str]) -> tuple[str, dict[str, str]]:
    """The SQL condition for a service's events of these kinds (none: all), and its values."""
    named = {f"kind{number}": kind for number, kind in enumerate(kinds)}
    marks = ", ".join(f":{name}" for name in named)
    return (
        "service = :service" + (f" AND kind IN ({marks})" if named else ""),
        {"service": service, **named},
    )


def _event(service: str, packed: blocks.Packed, kind: str) -> Event:
    seq, event_id, subject, body, recorded_at = packed
    return Event(
        seq=seq,
        event_id=event_id,
        service=service,
        kind=kind,
        subject=subject,
        body=_parsed(body),
        recorded_at=_instant(recorded_at),
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise sqlite3.DatabaseError("a row holds no JSON") from error


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise sqlite3.DatabaseError("a row holds no instant") from error


def make_private(folder: Path) -> None:
    """Create a folder that only its owner can read, or make it one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def is_damage(error: BaseException) -> bool:
    """Whether an error means that the file is damaged, not that it cannot be used now."""
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith(("Could not decode", "no such"))
    return isinstance(error, sqlite3.DatabaseError | UnicodeDecodeError)


def is_busy(error: Exception) -> bool:
    """Whether SQLite waited too long for another process's lock."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def processes_with_lock(*paths: Path) -> str:
    """The processes that hold a write lock on one of these files; "" if none is known."""
    inodes = {str(path.stat().st_ino) for path in paths if path.exists()}
    named = []
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            _, _, _, access, pid, place, *_ = line.replace("->", "").split()
            if access == "WRITE" and place.rsplit(":", 1)[-1] in inodes and int(pid) > 0:
                named.append(f"process {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})")
    return ", ".join(dict.fromkeys(named))


def ledger_unusable_error(path: Path, error: Exception) -> ClipmartError:
    """The message for an error of the ledger's file, or of its folder."""
    if is_busy(error):
        by = processes_with_lock(path, path.with_name(path.name + "-shm"))
        return TryAgainLater(
            f"{path} is locked{f' by {by}' if by else ''}. What was saved before stays. Wait for "
            "that to end, then run the command again."
        )
    if is_full(error, path.parent):
        return disk_full(path)
    if is_damage(error):
        remedy = (
            "It is damaged. Run `clipmart recover`: it saves every event that can still be read."
        )
    else:
        remedy = (
            f"Make {path.parent} writable for this user, or set CLIPMART_DATA_DIR to a folder "
            f"that is (now in use: {os.fspath(path.parent.parent)})."
        )
    return FixConfiguration(f"{path} cannot be used: {error}. Nothing was changed. {remedy}")
