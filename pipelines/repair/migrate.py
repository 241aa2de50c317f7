"""`migrate`: from one machine's files into the lake and the ledger that machines share.

The files are not changed. Newer rows in the lake, from its own syncs or another machine's files,
are left alone; so it can be repeated, and several machines' files can be merged. The copy is one
transaction, checked before it is committed.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.landing.drain import drain
from pipelines.landing.loader import Loader
from pipelines.landing.store import Landing
from pipelines.landing.tables import tables_of
from pipelines.landing.upgrade import upgrade
from pipelines.ledger import blocks
from pipelines.ledger.ledger import Ledger, open_ledger
from pipelines.ledger.lock import sync_lock
from pipelines.output import say
from pipelines.service import LANDING_SCHEMAS, SEQ, SERVICES
from pipelines.settings import Lake, Settings
from pipelines.warehouse import publish
from pipelines.warehouse.build import landing_fingerprint
from pipelines.warehouse.catalog import literal, qualified, quoted
from sources.shared.errors import ClipmartError, FixConfiguration
from sources.shared.tables import Table

from .recover import recover_locked

_LEDGER = {
    "events": ("event_id", "seq, event_id, service, kind, subject, body, recorded_at"),
    "blocks": ("block_id", blocks.COLUMNS),
    "runs": ("run_id", "run_id, started_at, finished_at, exit_code, result"),
    "proven_keys": ("name", "name, proven_at"),
    "rate_limits": ("bucket", "bucket, per_minute, not_before"),
    "rate_slots": ("slot_id", "slot_id, bucket, answered_at, answered"),
}


class MigrationFailed(ClipmartError):
    """The copied rows differ from those in the files."""


@dataclass
class Copied:
    """Rows of one table: in the file, copied now, and older than what the lake has."""

    table: str
    rows: int
    copied: int
    outdated: int


@dataclass
class Migrated:
    """Rows by table, and the ledger's events: those in the file, and those copied now."""

    tables: list[Copied] = field(default_factory=list)
    events: int = 0
    new_events: int = 0


def migrate(settings: Settings) -> Migrated:
    """Copy landing store and ledger of the data folder, check, and publish in the lake.

    Raises:
        FixConfiguration: no lake is set, or there is nothing to copy.
        TryAgainLater: a sync runs in this data folder.
        MigrationFailed: counts, sums or rows differ; the lake is as it was.
    """
    lake = settings.lake
    if lake is None:
        raise FixConfiguration(
            "CLIPMART_DESTINATION is not ducklake, so there is nowhere to copy to. Nothing was "
            "done. Set it and the lake's variables as docs/lake.md says."
        )
    if not settings.landing.exists() and not settings.ledger.exists():
        raise FixConfiguration(
            f"{settings.state_dir} holds neither landing.duckdb nor ledger.sqlite. Nothing was "
            "copied. Set CLIPMART_DATA_DIR to the folder that was used before the lake."
        )
    done = Migrated()
    with (
        sync_lock(settings.lock, settings.now()),
        closing(Ledger(settings.ledger)) as file,
        closing(open_ledger(settings)) as ledger,
        ledger.alone("inbox"),
    ):
        _drain_files(settings, file)
        _copy_ledger(file, ledger, done)
        with ledger.alone("landing"):
            landing = Landing(lake)
        with closing(landing):
            _create_tables(settings, lake, ledger, landing)
            with ledger.alone("landing"):
                done.tables = _copy_landing(settings, landing)
            changed = landing_fingerprint(landing.connection) != (
                publish.published_fingerprint(settings)
            )
    if changed:
        publish.publish(settings)
    return done


def _drain_files(settings: Settings, file: Ledger) -> None:
    """Land what the files' own ledger still holds.

    Events keep their numbers; the lake's cursor, if it is above them already, would skip them.
    """
    local = replace(settings, lake=None, ledger_database=None)
    if not local.landing.exists():
        recover_locked(local)
    with closing(Landing(local.landing)) as landing:
        loader = Loader(local.landing, local.dlt_dir)
        for line in upgrade(landing, loader, settings.now()):
            say(line)
        drain(loader, file, landing)


def _copy_ledger(file: Ledger, ledger: Ledger, done: Migrated) -> None:
    file.slots(0.0)
    ledger.slots(0.0)
    with ledger.store.transaction("inbox"):
        for table, (key, columns) in _LEDGER.items():
            names = columns.split(", ")
            rows = file.store.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()
            marks = ", ".join(f":{column}" for column in names)
            events = copied = 0
            for row in rows:
                values = dict(zip(names, row, strict=True))
                number = values.get("number", 1)  # of events in a block
                events += number
                copied += number * _insert(ledger, table, columns, marks, values)
            if table in ("events", "blocks"):
                done.events += events
                done.new_events += copied
            arrived = {k for (k,) in ledger.store.execute(f"SELECT {key} FROM {table}").fetchall()}
            lost = [row for row in rows if row[names.index(key)] not in arrived]
            if lost:
                raise MigrationFailed(
                    f"{len(lost)} rows of the ledger's {table} did not arrive. Nothing was copied; "
                    "the files are unchanged. Please report this as a bug."
                )


def _insert(ledger: Ledger, table: str, columns: str, marks: str, values: dict[str, Any]) -> int:
    """Insert a row unless it exists; an event whose number is taken gets the next free one."""
    while True:
        inserted = ledger.store.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING", values
        ).rowcount
        if inserted or table != "events":
            return int(inserted)
        known = ledger.store.execute(
            "SELECT 1 FROM events WHERE event_id = :event_id", values
        ).fetchone()
        if known:
            return 0
        values["seq"] += 1


def _create_tables(settings: Settings, lake: Lake, ledger: Ledger, landing: Landing) -> None:
    with closing(Loader(lake, settings.dlt_dir, ledger.alone)) as loader:
        for schema in LANDING_SCHEMAS:
            if not landing.has_tables(schema, tables_of(schema)):
                loader.load(schema, {table: [] for table in tables_of(schema)})


def _copy_landing(settings: Settings, landing: Landing) -> list[Copied]:
    con = landing.connection
    con.execute(f"ATTACH {literal(str(settings.landing))} AS file (READ_ONLY)")
    landed = _columns(con, "file")
    copied = []
    con.execute("BEGIN")
    try:
        for schema in LANDING_SCHEMAS:
            # Children before the table that says when they were read.
            for table in sorted(tables_of(schema), key=lambda each: each != _children(schema)):
                columns = landed.get(f"{schema}.{table.name}", {})
                if columns:
                    copied.append(_copy_table(con, schema, table, columns))
            if f"{schema}._dlt_loads" in landed:
                con.execute(
                    f"""INSERT INTO landing.{schema}._dlt_loads BY NAME
                        SELECT * FROM file.{schema}._dlt_loads AS f WHERE NOT EXISTS (
                          FROM landing.{schema}._dlt_loads AS l WHERE l.load_id = f.load_id
                        )"""
                )
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    return copied


def _children(schema: str) -> Table | None:
    return SERVICES[schema].api.children if schema in SERVICES else None


def _copy_table(con: Any, schema: str, table: Table, columns: dict[str, str]) -> Copied:
    """Copy the rows that the lake lacks or has older, and check that they arrived."""
    place = qualified(f"{schema}.{table.name}")
    known = _columns(con, "landing").get(f"{schema}.{table.name}", {})
    for column, kind in columns.items():
        if column not in known:
            con.execute(f"ALTER TABLE landing.{place} ADD COLUMN {quoted(column)} {kind}")
    if table == _children(schema):
        # Rows go with their parent: all of a newer read replace all of an older one.
        reads, parent = SERVICES[schema].children_read.name, table.parent
        match = f"{parent} IN (SELECT {parent} FROM wanted)"
        con.execute(
            f"""CREATE OR REPLACE TEMP TABLE wanted AS
                SELECT f.{parent} FROM file.{schema}.{reads} AS f
                LEFT JOIN landing.{schema}.{reads} AS l USING ({parent})
                WHERE l.observed_at IS NULL OR f.observed_at > l.observed_at"""
        )
    else:
        stamp = next((c for c in (SEQ, "observed_at") if c in columns), None)
        newer = f"OR f.{stamp} > l.{stamp}" if stamp else ""
        keys = ", ".join(table.key)
        match = f"({keys}) IN (SELECT ({keys}) FROM wanted)"
        con.execute(
            f"""CREATE OR REPLACE TEMP TABLE wanted AS
                SELECT {", ".join(f"f.{key}" for key in table.key)} FROM file.{place} AS f
                LEFT JOIN landing.{place} AS l USING ({keys})
                WHERE l.{table.key[0]} IS NULL {newer}"""
        )
    con.execute(f"DELETE FROM landing.{place} WHERE {match}")
    con.execute(f"INSERT INTO landing.{place} BY NAME SELECT * FROM file.{place} WHERE {match}")
    sent, arrived = (
        _sums(con, f"{db}.{place} WHERE {match}", columns) for db in ("file", "landing")
    )
    listed = ", ".join(map(quoted, columns))
    (lost,) = con.execute(
        f"""SELECT count(*) FROM (
              SELECT {listed} FROM file.{place} WHERE {match}
              EXCEPT ALL SELECT {listed} FROM landing.{place} WHERE {match}
            )"""
    ).fetchone()
    if sent != arrived or lost:
        raise MigrationFailed(
            f"{schema}.{table.name} did not arrive unchanged ({sent[0]} rows sent, "
            f"{arrived[0]} arrived, {lost} differ). Nothing was copied; the files are unchanged. "
            "Please report this as a bug."
        )
    (rows,) = con.execute(f"SELECT count(*) FROM file.{place}").fetchone()
    return Copied(f"{schema}.{table.name}", rows, sent[0], rows - sent[0])


def _sums(con: Any, rows: str, columns: dict[str, str]) -> tuple[Any, ...]:
    """Count, and the sum of each column of numbers, in an order that makes it repeatable."""
    numbers = [quoted(c) for c, kind in columns.items() if kind in ("BIGINT", "DOUBLE")]
    sums = "".join(f", sum({column} ORDER BY {column})" for column in numbers)
    totals: tuple[Any, ...] = con.execute(f"SELECT count(*){sums} FROM {rows}").fetchone()
    return totals


def _columns(con: Any, database: str) -> dict[str, dict[str, str]]:
    """`schema.table` → column → type."""
    columns: dict[str, dict[str, str]] = {}
    for table, column, kind in con.execute(
        f"""SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns()
            WHERE database_name = {literal(database)}"""
    ).fetchall():
        columns.setdefault(table, {})[column] = kind
    return columns
