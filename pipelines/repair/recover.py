"""`recover`: rebuild damaged files from everything that can still be read.

Nothing is deleted: a damaged file is renamed, and its new name is reported.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from pipelines.disk import chain
from pipelines.ids.parse import refusal
from pipelines.landing.inbox import LANDED_KINDS
from pipelines.landing.loader import Loader
from pipelines.landing.tables import tables_of
from pipelines.ledger import blocks
from pipelines.ledger.formats import refuse_newer
from pipelines.ledger.ledger import Event, Ledger, is_damage
from pipelines.ledger.lock import sync_lock
from pipelines.output import counted
from pipelines.service import LANDING_SCHEMAS, SERVICES
from pipelines.settings import Settings
from pipelines.warehouse.build import remove_database
from pipelines.warehouse.catalog import create_database, literal
from sources.shared.errors import FixConfiguration, TryAgainLater
from sources.shared.slots import SCHEMA as SLOTS_SCHEMA
from sources.shared.tables import Table

from .sqlite_pages import Entry, entries
from .stores import LANDING, PUBLISHED, Stores

BATCH_ROWS = 1_000_000

# The bytes on which every process that has a SQLite file open holds a lock.
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510

_WITH_ID = ("import", "tie", "webhook", "export")
"""Kinds of events that land, whose subject is the id of a job or campaign."""
_EVENT, _BLOCK = 7, 8
"""Columns of the tables of events and blocks, by which their rows are recognised."""


def recover(settings: Settings, *, force: bool = False) -> list[str]:
    """Check ledger, landing store and dlt's folder, and rebuild what is damaged.

    Args:
        force: rebuild the landing store even if nothing is wrong with it.

    Returns:
        What was done, a line for each; no line if nothing was damaged.

    Raises:
        TryAgainLater: a sync runs, or another program has one of the files open.
        FixConfiguration: the data folder cannot be written.
    """
    with sync_lock(settings.lock, settings.now()):
        return [*_recover_ledger(settings), *recover_locked(settings, force=force)]


def recover_locked(settings: Settings, *, force: bool = False) -> list[str]:
    """The landing store's part of `recover`, for a caller that holds the sync's lock.

    The caller must have no connection to the landing store. Returns and raises as `recover`.
    """
    if settings.lake:
        return []  # a lake is not a file of this folder: docs/lake.md says how it is restored
    settings.build_dir.mkdir(mode=0o700, exist_ok=True)
    with closing(Stores(settings)) as stores:
        refuse_newer(settings.landing, stores.landing_format())
        absent = not settings.landing.exists()
        published = bool(stores.columns[PUBLISHED])
        if absent and PUBLISHED not in stores.unopened and not published:
            return []
        why = "is gone" if absent else stores.damage()
        if why is None and not force:
            return _drain(settings)
        if PUBLISHED in stores.unopened and not published and not stores.columns[LANDING]:
            raise FixConfiguration(
                f"The landing store {why}, and {settings.warehouse} cannot be opened "
                f"({stores.unopened[PUBLISHED]}). Nothing was changed. Put an earlier copy of "
                "either file in its place, then run `clipmart recover` again."
            )
        recovered = settings.build_dir / "recovered.duckdb"
        lines = _rebuild(settings, stores, recovered, why)
    remove_database(settings.build_dir / "damaged.duckdb")
    # First dlt's cursors and schemas, which belong to the old store, then its log: if it is killed
    # between two of these steps, neither is used with the new store.
    shutil.rmtree(settings.dlt_dir, ignore_errors=True)
    if not absent:
        aside = _move_aside(settings.landing, settings.now(), (".wal", ""))
        lines.insert(1, f"The old one is now {aside}.")
    recovered.replace(settings.landing)
    return lines


def _drain(settings: Settings) -> list[str]:
    """Load or drop what an interrupted sync left in dlt's folder."""
    return [
        f"What an interrupted sync left for {schema} "
        + (
            "was loaded."
            if loaded
            else "could not be loaded and was removed. Its ids are due again: the next sync "
            "requests them."
        )
        for schema, loaded in Loader(settings.landing, settings.dlt_dir).drain().items()
    ]


def _rebuild(settings: Settings, stores: Stores, target: Path, why: str | None) -> list[str]:
    """Land the rows of both stores in a new file; returns the lines to report."""
    dlt_dir = settings.build_dir / "dlt"
    remove_database(target)
    shutil.rmtree(dlt_dir, ignore_errors=True)
    create_database(target)
    loader = Loader(target, dlt_dir)
    rows = unpublished = 0
    for schema in LANDING_SCHEMAS:
        _create_tables(loader, stores, schema)
        taken, new = _take_over(stores, schema, target)
        rows += taken
        unpublished += new
    shutil.rmtree(dlt_dir, ignore_errors=True)
    _finish(target)
    lines = [f"The landing store {why or 'is rebuilt because of --force'}."]
    if PUBLISHED in stores.unopened:
        lines.append(
            f"The published file {settings.warehouse} cannot be opened "
            f"({stores.unopened[PUBLISHED]}), so no row was taken from it."
        )
    sources = []
    if stores.columns[PUBLISHED]:
        sources.append(
            "the published file"
            if stores.published == settings.warehouse
            else f"the saved file {stores.published}"
        )
    if stores.columns[LANDING]:
        sources.append(f"the old landing store ({unpublished} of them not published yet)")
    origin = " and ".join(sources) or "nowhere: nothing is published"
    lines.append(f"A new landing store holds {counted(rows, 'row')} from {origin}.")
    if lost := stores.damaged(LANDING):
        lines.append(
            f"Could not be taken from the old landing store: {', '.join(lost)}. What had landed "
            "there since the last publication is due again."
        )
    if lost := stores.damaged(PUBLISHED):
        lines.append(f"Could not be taken from the published file: {', '.join(lost)}.")
    lines.append("`clipmart sync` requests what is still due and loads the ledger's events again.")
    return lines


def _create_tables(loader: Loader, stores: Stores, schema: str) -> None:
    """Let dlt create all tables of a schema, in a load that it records."""
    from sources.shared.resources import hinted

    items: dict[Table, Any] = {}
    for table in tables_of(schema):
        undocumented = stores.undocumented(schema, table)
        # A row names the undocumented columns; without any, Arrow would leave them out.
        names = table.arrow([dict.fromkeys(undocumented)], undocumented)
        items[table] = hinted(names.slice(0, 0), undocumented)
    loader.load_arrow(schema, items)


def _take_over(stores: Stores, schema: str, target: Path) -> tuple[int, int]:
    """Insert the rows of both stores into the new one, as rows of its completed load.

    Returns:
        How many rows, and how many of them were not published.
    """
    rows = unpublished = 0
    con = stores.con
    con.execute(f"ATTACH {literal(str(target))} AS rebuilt")
    try:
        for table in tables_of(schema):
            for query in stores.queries(schema, table, BATCH_ROWS):
                ((taken, new),) = con.execute(
                    f"SELECT count(*), count(*) FILTER (_new) FROM ({query})"
                ).fetchall()
                con.execute(
                    f"""INSERT INTO rebuilt.{schema}.{table.name} BY NAME
                        SELECT * EXCLUDE (_new),
                          (SELECT max(load_id) FROM rebuilt.{schema}._dlt_loads) AS _dlt_load_id
                        FROM ({query})"""
                )
                rows += taken
                unpublished += new
    finally:
        con.execute("DETACH rebuilt")
    return rows, unpublished


def _finish(target: Path) -> None:
    """Sync the whole new file to disk, so that it needs no log."""
    with duckdb.connect(str(target)) as con:
        con.execute("CHECKPOINT")
    target.chmod(0o600)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _recover_ledger(settings: Settings) -> list[str]:
    path = settings.ledger
    if settings.ledger_database or not path.exists() or _ledger_is_intact(path):
        return []
    _refuse_open_ledger(path)
    aside = _move_aside(path, settings.now(), ("-wal", "-shm", ""))
    with closing(Ledger(path)) as ledger:
        saved, lost, ids = _salvage(aside, ledger, settings.now())
    counts = f"{counted(saved, 'event')} {'was' if saved == 1 else 'were'} saved from it"
    if lost:
        counts += f", {lost} could not be read"
    if ids:
        counts += f"; the ids of {ids} of those were saved from an index"
    return [
        f"The ledger was damaged. The old one is now {aside}.",
        f"{counts}. Ids that had landed are known from the landing store.",
    ]


def _refuse_open_ledger(path: Path) -> None:
    """Refuse while another process writes into the file that is about to be moved aside."""
    with path.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        except OSError as error:
            raise TryAgainLater(
                f"{path} is damaged, and another program has it open, perhaps `clipmart listen`. "
                "Nothing was changed. Stop that program, then run `clipmart recover` again."
            ) from error


def _ledger_is_intact(path: Path) -> bool:
    """Whether SQLite finds nothing wrong, and every event, run and saved value can be read."""
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                return False
        with closing(Ledger(path)) as ledger:
            for service in LANDING_SCHEMAS:
                for _ in ledger.events(service):
                    pass
            ledger.runs(datetime.now(UTC))
            for (name,) in ledger.store.execute("SELECT name FROM progress").fetchall():
                ledger.read_note(name)
    except (sqlite3.Error, UnicodeDecodeError, FixConfiguration) as error:
        if not any(map(is_damage, chain(error))):
            raise
        return False
    return True


def _salvage(aside: Path, ledger: Ledger, now: datetime) -> tuple[int, int, int]:
    """Write what a damaged ledger's pages hold into a new one.

    Returns:
        How many events were saved, how many its indexes name beyond those, and of how many of
        these the id was saved.
    """
    index = _Index()
    saved: set[tuple[int, int]] = set()
    ledger.store.make(SLOTS_SCHEMA)
    with ledger.store.transaction("inbox"):
        for entry in entries(aside):
            if entry.rowid is None:
                index.read(entry.values)
            elif statement := _statement(entry):
                ledger.store.execute(
                    statement, {f"v{number}": value for number, value in enumerate(entry.values)}
                )
                saved.add((len(entry.values), entry.rowid))
        # Pages that are free again may still hold events that have moved into a block.
        packed = ledger.store.execute("SELECT events FROM blocks").fetchall()
        moved = {event[0] for (block,) in packed for event in blocks.unpack(block)}
        for seq in moved:
            ledger.store.execute("DELETE FROM events WHERE seq = :seq", {"seq": seq})
    (number,) = ledger.store.execute("SELECT count(*) FROM events").fetchone()
    lost = {
        row
        for row, (_, kind, seq) in index.events.items()
        if (_EVENT, row) not in saved and seq not in moved and kind in LANDED_KINDS
    }
    lost_in_blocks = [n for row, n in index.blocks.items() if (_BLOCK, row) not in saved]
    events = []
    for row in sorted(lost & index.subjects.keys()):
        (service, kind, _), id_ = index.events[row], index.subjects[row]
        if kind in _WITH_ID and service in SERVICES and refusal(service, id_) is None:
            body = {SERVICES[service].id_name: id_}
            events.append(Event(service, "import", uuid.uuid4().hex, id_, now, body))
    ledger.add(events)
    return number + len(moved), len(lost) + sum(lost_in_blocks), len(events)


class _Index:
    """What the indexes on events and blocks say, by the number of a row."""

    def __init__(self) -> None:
        self.events: dict[int, tuple[str, str, int]] = {}
        self.subjects: dict[int, str] = {}
        self.blocks: dict[int, int] = {}
        """How many events a block holds."""

    def read(self, values: tuple[Any, ...]) -> None:
        """Add an entry."""
        match values:
            case (str(service), str(kind), int(seq), int(row)):
                self.events[row] = (service, kind, seq)
            case (str(), str(subject), int(row)):
                self.subjects[row] = subject
            case (str(), str(), int(), int(number), int(row)):
                self.blocks[row] = number


def _statement(entry: Entry) -> str | None:
    """The statement that saves a row; None unless it is a whole row of one of our tables."""
    marks = f"VALUES ({', '.join(f':v{number}' for number in range(len(entry.values)))})"
    match entry.values:
        case (int(), str(), str(service), str(), None | str(), str(body), str(at)):
            if service in LANDING_SCHEMAS and _is_json(body) and _is_instant(at):
                return (
                    "INSERT OR IGNORE INTO events "
                    f"(seq, event_id, service, kind, subject, body, recorded_at) {marks}"
                )
        case (str(), str(service), str(), int(), int(), str(at), int(), bytes(packed)):
            if service in LANDING_SCHEMAS and _is_instant(at) and _is_block(packed):
                return f"INSERT OR REPLACE INTO blocks ({blocks.COLUMNS}) {marks}"
        case (str(), str(started), None | str(), None | int(), None | str() as result):
            if _is_instant(started) and (result is None or _is_json(result)):
                return f"INSERT OR REPLACE INTO runs {marks}"
        case (int(), str(), int() | float(), int()):
            return f"INSERT OR REPLACE INTO rate_slots {marks}"
        case (str(), None | int(), int() | float()):
            return f"INSERT OR REPLACE INTO rate_limits {marks}"
        case (str(), str(value)):
            if _is_json(value):
                return f"INSERT OR REPLACE INTO progress {marks}"
            if _is_instant(value):
                return f"INSERT OR REPLACE INTO proven_keys {marks}"
    return None


def _is_block(packed: bytes) -> bool:
    try:
        blocks.unpack(packed)
    except sqlite3.DatabaseError:
        return False
    return True


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


_is_instant = partial(_parses, datetime.fromisoformat)
_is_json = partial(_parses, json.loads)


def _move_aside(path: Path, now: datetime, parts: tuple[str, ...]) -> Path:
    """Rename a file and those that belong to it; an earlier one is never overwritten."""
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for part in parts:
        if (file := path.with_name(path.name + part)).exists():
            file.replace(aside.with_name(aside.name + part))
    return aside
