"""`recover`: put a broken state together again from the published file and the ledger.

Nothing is deleted: what is broken is moved aside, and named.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from sources.shared.tables import DataType, Table, data_type, hinted

from .inbox import ADDED_LATER
from .ledger import Event, Ledger
from .load import Loader, tables_of
from .lock import sync_lock
from .settings import Settings
from .warehouse import attach

SCHEMAS = ("clipmart", "klipit", "clipus")
BATCH_ROWS = 100_000


def recover(settings: Settings) -> list[str]:
    """Check landing store and ledger, and rebuild the one that is broken.

    Returns:
        What was done, a line each; none where nothing was broken.

    Raises:
        TryAgainLater: a sync runs.
        FixConfiguration: the data folder cannot be written.
    """
    with sync_lock(settings.lock, settings.now()):
        return [*_recover_ledger(settings), *_recover_landing(settings)]


def _recover_ledger(settings: Settings) -> list[str]:
    if (
        settings.ledger_database
        or not settings.ledger.exists()
        or _ledger_is_sound(settings.ledger)
    ):
        return []
    stamp = settings.now()
    # Its logs first: a new ledger must not meet them.
    for log in ("-wal", "-shm"):
        path = settings.ledger.with_name(settings.ledger.name + log)
        if path.exists():
            aside = settings.ledger.with_name(f"{_aside(settings.ledger, stamp).name}{log}")
            path.replace(aside)
    aside = _move_aside(settings.ledger, stamp)
    events = _readable_events(aside)
    ledger = Ledger(settings.ledger)
    try:
        ledger.add(events)
    finally:
        ledger.close()
    return [
        f"The ledger was damaged: moved to {aside}, {len(events)} events read from it into a new "
        "one. Ids that had landed are known from there; run log and rate slots begin anew."
    ]


def _recover_landing(settings: Settings) -> list[str]:
    if settings.lake or (settings.landing.exists() and _landing_is_sound(settings.landing)):
        return []  # a lake is no file of this folder: docs/lake.md tells how it is restored
    told = []
    if settings.landing.exists():
        aside = _move_aside(settings.landing, settings.now())
        told.append(f"The landing store was damaged: moved to {aside}.")
        log = settings.landing.with_name(settings.landing.name + ".wal")
        if log.exists():
            _move_aside(log, settings.now())
    elif not settings.warehouse.exists():
        return []
    # Its cursors and schemas speak of the store that is gone.
    shutil.rmtree(settings.dlt_dir, ignore_errors=True)
    if not settings.warehouse.exists():
        told.append("Nothing is published, so the next sync asks for every known id again.")
        return told
    rows = _load_published(settings)
    told.append(
        f"{rows} rows of {settings.warehouse} are landed again; the next sync asks for what came "
        "after it and drains the ledger."
    )
    return told


def _load_published(settings: Settings) -> int:
    """Land the published landing tables again, a batch at a time; returns how many rows."""
    loader = Loader(settings.landing, settings.dlt_dir)
    rows = 0
    with attach(settings.warehouse) as con:
        for schema in SCHEMAS:
            loader.load(schema, {table: [] for table in tables_of(schema)})
            for table in tables_of(schema):
                for batch, unknown in _published(con, schema, table):
                    loader.load_arrow(schema, {table: hinted(batch, unknown)})
                    rows += batch.num_rows
    return rows


def _published(
    con: duckdb.DuckDBPyConnection, schema: str, table: Table
) -> Iterator[tuple[Any, dict[str, DataType]]]:
    """A published landing table as Arrow, with the types of its undocumented columns.

    In batches that keep a parent's rows together: each batch replaces the rows of its parents.
    """
    columns = con.execute(
        """SELECT column_name, data_type FROM duckdb_columns()
           WHERE database_name = current_database() AND schema_name = ? AND table_name = ?""",
        [schema, table.name],
    ).fetchall()
    unknown = {name: data_type(kind) for name, kind in columns if name not in table.columns}
    # JSON travels as text.
    listed = ", ".join(
        f'"{name}"::VARCHAR AS "{name}"' if kind == "JSON" else f'"{name}"'
        for name, kind in ((name.replace('"', '""'), kind) for name, kind in columns)
    )
    (rows,) = con.execute(f"SELECT count(*) FROM {schema}.{table.name}").fetchone() or (0,)
    batches = rows // BATCH_ROWS + 1
    together = table.parent or table.key[0]
    for number in range(batches):
        batch = con.execute(
            f"""SELECT {listed} FROM {schema}.{table.name}
                WHERE hash("{together}") % {batches} = {number}"""
        ).to_arrow_table()
        if batch.num_rows:
            yield batch, unknown


def _ledger_is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            answer: tuple[str] = connection.execute("PRAGMA integrity_check").fetchone()
            return answer == ("ok",)
    except sqlite3.DatabaseError:
        return False


def _readable_events(path: Path) -> list[Event]:
    """The events of a damaged ledger up to where it can be read, in their order."""
    events: list[Event] = []
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as connection:
        for service, kind, event_id, subject, recorded_at, body in connection.execute(
            "SELECT service, kind, event_id, subject, recorded_at, body FROM events ORDER BY seq"
        ):
            events.append(
                Event(
                    service,
                    kind,
                    event_id,
                    subject,
                    datetime.fromisoformat(recorded_at),
                    json.loads(body),
                )
            )
    return events


def _landing_is_sound(path: Path) -> bool:
    """Whether DuckDB opens the file, can read every row, and finds all that was ever declared."""
    try:
        with duckdb.connect(str(path)) as con:
            found: dict[tuple[str, str], set[str]] = {}
            for schema, table, column in con.execute(
                "SELECT schema_name, table_name, column_name FROM duckdb_columns() "
                "WHERE NOT internal"
            ).fetchall():
                found.setdefault((schema, table), set()).add(column)
            for schema, table in found:
                con.execute(f'SELECT count(COLUMNS(*)) FROM "{schema}"."{table}"').fetchall()
    except duckdb.Error:
        return False
    return all(
        found[schema, table.name] >= table.columns.keys() - ADDED_LATER
        for schema in SCHEMAS
        for table in tables_of(schema)
        if (schema, table.name) in found
    )


def _aside(path: Path, now: datetime) -> Path:
    return path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}")


def _move_aside(path: Path, now: datetime) -> Path:
    return path.replace(_aside(path, now))
