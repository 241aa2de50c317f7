"""The two files that hold landing tables, the landing store and the published one, for `recover`.

This module says what is wrong with the landing store, and reads the rows of both files from which a
new store is built. Each file is attached read-only; nothing here changes one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress

import duckdb

from pipelines.disk import is_full
from pipelines.landing.store import MARK, format_mark
from pipelines.landing.tables import TYPES, tables_of
from pipelines.output import counted
from pipelines.service import LANDING_SCHEMAS, SERVICES
from pipelines.settings import Settings
from pipelines.warehouse import only_copy
from pipelines.warehouse.catalog import literal, qualified, quoted
from pipelines.warehouse.read import attach
from sources.shared.drift import PRIVATE, data_type
from sources.shared.errors import FixConfiguration, TryAgainLater
from sources.shared.tables import REMOVED, Table
from sources.shared.values import DataType

LANDING, PUBLISHED = "landing", "warehouse"
MEMORY = "600MiB"
"""What DuckDB may use; what does not fit is written below state/build."""

# child: the table whose rows say which store read its parent last
_READS = {
    f"{name}.{service.api.children.name}": f"{name}.{service.children_read.name}"
    for name, service in SERVICES.items()
}
# A row of one implies that the rows of the others are complete, so all are used or none is.
_TOGETHER = {
    table: (f"{name}._dlt_loads", *({*tables, f"{name}.{service.api.records.name}"} - {table}))
    for (name, service), tables in zip(SERVICES.items(), _READS.items(), strict=True)
    for table in tables
}
# The APIs' answers are due again if they are not taken over; nothing else is.
_REQUESTED = {
    *_TOGETHER,
    *(f"{name}.{service.api.records.name}" for name, service in SERVICES.items()),
}


class Stores:
    """Both files, attached to one private connection.

    Raises:
        TryAgainLater: another program writes one of them.
        FixConfiguration: a file may not be read, or the disk is full.
    """

    def __init__(self, settings: Settings) -> None:
        self.unopened: dict[str, str] = {}
        """Store → why it cannot be opened; an absent file is in neither."""
        self.published = settings.warehouse
        """The published file, or the latest saved one if that cannot be opened."""
        self._readable: dict[tuple[str, str], str | None] = {}
        self.con = self._published(settings)
        self.con.execute("SET TimeZone = 'UTC'")
        self.con.execute(f"SET temp_directory = {literal(str(settings.build_dir / 'spill'))}")
        self.con.execute(f"SET memory_limit = '{MEMORY}'")
        if settings.landing.exists():
            with settings.landing.open("rb"):  # a file without the right to read is not damaged
                pass
            self._attach_landing(settings)
        self.columns = self._columns()
        """Store → `schema.table` → column → type."""

    def close(self) -> None:
        """Close the connection, and with it both files."""
        self.con.close()

    def _published(self, settings: Settings) -> duckdb.DuckDBPyConnection:
        for file in [settings.warehouse, *only_copy.saved(settings)]:
            if file.exists():
                try:
                    con = attach(file, locked_down=False)
                except FixConfiguration as error:
                    self.unopened.setdefault(PUBLISHED, str(error.__cause__ or error))
                else:
                    self.published = file
                    return con
        return duckdb.connect()

    def _attach_landing(self, settings: Settings) -> None:
        try:
            self.con.execute(f"ATTACH {literal(str(settings.landing))} AS {LANDING} (READ_ONLY)")
        except duckdb.Error as error:
            if "set lock" in str(error):
                raise TryAgainLater(
                    f"Another program holds {settings.landing} open. Nothing was changed. Close "
                    "it, then run `clipmart recover` again."
                ) from error
            self._refuse_full_disk(error, settings)
            self.unopened[LANDING] = first_line(error)
            self._attach_without_log(settings)

    def _attach_without_log(self, settings: Settings) -> None:
        """Attach the landing file under another name, so without its log, which may be damaged."""
        if not settings.landing.with_name(settings.landing.name + ".wal").exists():
            return
        alone = settings.build_dir / "damaged.duckdb"
        alone.unlink(missing_ok=True)
        with suppress(duckdb.Error, OSError):
            os.link(settings.landing, alone)
            self.con.execute(f"ATTACH {literal(str(alone))} AS {LANDING} (READ_ONLY)")
        alone.unlink(missing_ok=True)

    @staticmethod
    def _refuse_full_disk(error: Exception, settings: Settings) -> None:
        if is_full(error, settings.state_dir):
            raise FixConfiguration(
                f"The disk of {settings.data_dir} is full, so nothing can be checked. Nothing was "
                "changed. Make room, then run `clipmart recover` again."
            ) from error

    def landing_format(self) -> int:
        """The format of the landing store; 0 if it has none or cannot be read."""
        with suppress(duckdb.Error):
            return format_mark(self.con, f"{LANDING}.{MARK}")[0]
        return 0

    def _columns(self) -> dict[str, dict[str, dict[str, str]]]:
        columns: dict[str, dict[str, dict[str, str]]] = {LANDING: {}, PUBLISHED: {}}
        for store, table, column, kind in self.con.execute(
            """SELECT database_name, schema_name || '.' || table_name, column_name, data_type
               FROM duckdb_columns()
               SEMI JOIN duckdb_tables() USING (database_name, schema_name, table_name)
               WHERE NOT internal"""
        ).fetchall():
            columns[store].setdefault(table, {})[column] = kind
        return columns

    def damage(self) -> str | None:
        """What is wrong with the landing store, as the end of a sentence; None if nothing is.

        Every block of every table is read, dlt's and its staging tables included; DuckDB compares
        each with its checksum. Then every table and column that dlt recorded must exist.
        """
        if LANDING in self.unopened:
            return f"cannot be opened ({self.unopened[LANDING]})"
        for table in self.columns[LANDING]:
            if why := self._unreadable(LANDING, table):
                return f"holds a table that cannot be read: {table} ({why})"
        for schema in LANDING_SCHEMAS:
            if why := self._lacks(schema):
                return why
        if self.columns[PUBLISHED]:
            for table, ids in only_copy.lacking(self.con, PUBLISHED, LANDING).items():
                return f"lacks {counted(ids, 'row')} of {table} that the published file holds"
        return None

    def _lacks(self, schema: str) -> str | None:
        """What dlt recorded of a schema and does not exist, or has another type."""
        landed = {t for t in self.columns[LANDING] if t.startswith(f"{schema}.")}
        if not landed:
            return None
        expected = self.recorded(schema)
        if not expected:
            return f"lacks dlt's table {schema}._dlt_version or what it should hold"
        staging = f"{schema}_staging."
        if any(t.startswith(staging) for t in self.columns[LANDING]):
            expected |= {
                table.replace(f"{schema}.", staging, 1): columns
                for table, columns in expected.items()
                if not table.startswith(f"{schema}._dlt_")
            }
        for table, columns in expected.items():
            landed_types = self.columns[LANDING].get(table)
            if landed_types is None:
                return f"lacks the table {table}"
            for column, kind in columns.items():
                landed_type = landed_types.get(column)
                if landed_type is None:
                    return f"lacks the column {table}.{column}"
                if landed_type != kind:
                    return f"holds {table}.{column} as {landed_type}, which should be {kind}"
        return None

    def recorded(self, schema: str) -> dict[str, dict[str, str]]:
        """`schema.table` → column → type, as dlt last recorded it in the landing store."""
        try:
            (stored,) = self.con.execute(
                f"""SELECT schema FROM {LANDING}.{schema}._dlt_version
                    WHERE schema_name = {literal(schema)} ORDER BY inserted_at DESC LIMIT 1"""
            ).fetchone() or ("{}",)
            return {
                f"{schema}.{table}": {
                    column: TYPES[hints["data_type"]]
                    for column, hints in recorded["columns"].items()
                    if hints.get("data_type") in TYPES
                }
                for table, recorded in json.loads(stored)["tables"].items()
                if recorded["name"].startswith("_dlt_") or "x-normalizer" in recorded
            }
        except (duckdb.Error, ValueError, KeyError, TypeError):
            return {}

    def _unreadable(self, store: str, table: str) -> str | None:
        """Why a table's blocks cannot all be read; None if they can."""
        if (store, table) not in self._readable:
            self._readable[store, table] = self._scan(store, table)
        return self._readable[store, table]

    def _scan(self, store: str, table: str) -> str | None:
        # A count is answered from statistics; a hash of the values needs every block.
        columns = ", ".join(map(quoted, self.columns[store][table]))
        try:
            self.con.execute(f"SELECT bit_xor(hash({columns})) FROM {store}.{qualified(table)}")
            self.con.fetchall()
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            return first_line(error)
        return None

    def usable(self, store: str, table: str) -> bool:
        """Whether a table's rows may be taken over."""
        if not self._whole(store, table):
            return False
        others = [t for t in _TOGETHER.get(table, ()) if store == LANDING or "._dlt_" not in t]
        return all(self._whole(store, other) for other in others)

    def _whole(self, store: str, table: str) -> bool:
        """Whether a table can be read; if it can be requested again, it must also be unaltered."""
        if table not in self.columns[store] or self._unreadable(store, table) is not None:
            return False
        return store == PUBLISHED or table not in _REQUESTED or not self._altered(table)

    def _altered(self, table: str) -> bool:
        """Whether a column of the landing store's table was dropped or has another type."""
        landed = self.columns[LANDING][table]
        recorded = self.recorded(table.partition(".")[0]).get(table, {})
        published = self.columns[PUBLISHED].get(table, {})
        return not published.keys() | recorded.keys() <= landed.keys() or any(
            landed.get(column, kind) != kind for column, kind in self.types(table).items()
        )

    def types(self, table: str) -> dict[str, str]:
        """The columns of a landing table's rows and the types that they should have."""
        schema, _, short = table.partition(".")
        types = {**self.columns[LANDING].get(table, {}), **self.columns[PUBLISHED].get(table, {})}
        declared = {t.name: t.columns for t in tables_of(schema)}.get(short, {})
        return {
            column: TYPES[declared[column] if column in declared else data_type(kind)]
            for column, kind in types.items()
            if not column.startswith(PRIVATE)
        }

    def undocumented(self, schema: str, table: Table) -> dict[str, DataType]:
        """The types of a table's undocumented columns."""
        types = self.types(f"{schema}.{table.name}")
        return {c: data_type(kind) for c, kind in types.items() if c not in table.columns}

    def queries(self, schema: str, table: Table, most: int) -> Iterator[str]:
        """The queries of a table's rows from both stores, about `most` rows in each.

        Of rows with the same key the last observed one is taken, or the published one if the
        landing table was altered. A parent's rows all come from the store that read it last. The
        column `_new` says which rows were not published.
        """
        full = f"{schema}.{table.name}"
        types = self.types(full)
        sources = [store for store in (LANDING, PUBLISHED) if self.usable(store, full)]
        if not sources:
            return
        union = " UNION ALL ".join(self._rows(store, full, types, table) for store in sources)
        key = ", ".join(map(quoted, table.key))
        columns = ", ".join(map(quoted, types))
        ((rows, keys),) = self.con.execute(
            f"SELECT count(*), count(DISTINCT ({key})) FROM ({union})"
        ).fetchall()
        if rows == keys:
            yield f"SELECT {columns}, _store = '{LANDING}' AS _new FROM ({union})"
            return
        order = ["observed_at DESC"] if "observed_at" in types else []
        if LANDING in sources and self._altered(full):
            order = ["_store DESC"]
        ranked = ", ".join([*order, "_store"])
        parts = rows // most + 1
        for number in range(parts):
            yield f"""
                SELECT {columns},
                  _store = '{LANDING}' AND count(*) OVER (PARTITION BY {key}) = 1 AS _new
                FROM ({union}) WHERE hash({key}) % {parts} = {number}
                QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {ranked}) = 1"""

    def _rows(self, store: str, table: str, types: dict[str, str], declared: Table) -> str:
        """The query of one store's rows of a table that may be taken over."""
        stored = self.columns[store][table]
        columns = ", ".join(
            f"TRY_CAST({quoted(c) if c in stored else 'NULL'} AS {kind}) AS {quoted(c)}"
            for c, kind in types.items()
        )
        where = [f"{quoted(column)} IS NOT NULL" for column in declared.key]
        where += [f"{REMOVED} IS NOT TRUE"] if REMOVED in stored else []
        if store == LANDING and table in _TOGETHER:
            where.append(_completed(table))
        both = all(self.usable(each, table) for each in (LANDING, PUBLISHED))
        if both and table in _READS:
            within = "IN" if store == LANDING else "NOT IN"
            where.append(f"{declared.parent} {within} ({self._read_last(_READS[table], declared)})")
        elif store == LANDING and table in _READS:
            where.append(
                f"{declared.parent} IN (SELECT {declared.parent} FROM {LANDING}.{_READS[table]}"
                f" WHERE {_completed(_READS[table])})"
            )
        elif both and store == PUBLISHED and declared.name == "submissions":
            # An id whose intent was answered since has one row, under its intent's key.
            id_ = SERVICES[table.partition(".")[0]].id_name
            landed = f"FROM {LANDING}.{table}"
            where.append(
                f"({id_} IS NULL OR submission_id IN (SELECT submission_id {landed}) OR {id_} NOT"
                f" IN (SELECT {id_} {landed} WHERE {id_} IS NOT NULL))"
            )
        return (
            f"SELECT {columns}, '{store}' AS _store FROM {store}.{table} "
            f"WHERE {' AND '.join(where)}"
        )

    def _read_last(self, reads: str, child: Table) -> str:
        """The parents that the landing store read last."""
        return (
            f"SELECT l.{child.parent} FROM (FROM {LANDING}.{reads} WHERE {_completed(reads)}) AS l "
            f"LEFT JOIN {PUBLISHED}.{reads} AS p USING ({child.parent}) "
            "WHERE COALESCE(l.observed_at >= p.observed_at, true)"
        )

    def damaged(self, store: str) -> list[str]:
        """The landing tables that a store should hold and whose rows cannot be taken over."""
        return [
            table
            for schema in LANDING_SCHEMAS
            for table in (f"{schema}.{declared.name}" for declared in tables_of(schema))
            if (
                table in self.columns[store]
                or (store == LANDING and table in self.recorded(schema))
            )
            and not self.usable(store, table)
        ]


def _completed(table: str) -> str:
    loads = f"{LANDING}.{table.partition('.')[0]}._dlt_loads"
    return f"_dlt_load_id IN (SELECT load_id FROM {loads} WHERE status = 0)"


def first_line(error: Exception) -> str:
    """The first line of an error's message, at most 200 characters."""
    return str(error).partition("\n")[0][:200]
