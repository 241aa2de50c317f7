"""Upgrade: give a landing store of an earlier version the columns that this version declares.

The only place that does it. Values that do not fit a column's new type are saved first, by key;
then one transaction changes a schema's tables; at last the store is marked as current. Killed
anywhere, the next run does the rest. A lake is not upgraded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.ledger.formats import FORMAT
from pipelines.service import LANDING_SCHEMAS, RUNS, SEQ
from pipelines.warehouse.catalog import at_once, landed_types, literal, quoted
from sources.shared.chunks import REJECTED_RECORDS, Rejected
from sources.shared.drift import PRIVATE, data_type
from sources.shared.errors import FixConfiguration
from sources.shared.tables import REMOVED, Row, Table
from sources.shared.values import digest

from .loader import Loader
from .store import MARK, Landing
from .tables import TYPES, tables_of

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 10_000
_EARLIER_NAMES = {"removed": REMOVED, "ledger_seq": SEQ}
"""Internal columns as the first of all formats named them; in another table they are a field."""


@dataclass(frozen=True)
class Change:
    """A landed column that this version names or types differently."""

    schema: str
    table: Table
    landed: str
    """Its name as landed; DuckDB ignores case, dlt does not."""
    column: str
    before: str
    after: str

    @property
    def name(self) -> str:
        """As a person reads it."""
        return f"{self.schema}.{self.table.name}.{self.column}"

    @property
    def place(self) -> str:
        """The table, quoted."""
        return f"{self.schema}.{quoted(self.table.name)}"

    @property
    def value(self) -> str:
        """SQL: the value in its new type; NULL if it does not fit. A cast alone would round."""
        text = f"{quoted(self.landed)}::VARCHAR"
        cast = f"TRY_CAST({text} AS {self.after})"
        condition = {
            "BIGINT": f"{cast} = TRY_CAST({text} AS DOUBLE)",
            "DOUBLE": f"isfinite({cast})",
            "TIMESTAMP WITH TIME ZONE": f"isfinite({cast})",
            "BOOLEAN": f"{text} IN ('true', 'false')",
        }.get(self.after)
        return f"CASE WHEN {condition} THEN {cast} END" if condition else cast

    @property
    def unfit(self) -> str:
        """SQL: whether a row's value does not fit."""
        return f"{quoted(self.landed)} IS NOT NULL AND {self.value} IS NULL"

    def count_unfit(self, con: duckdb.DuckDBPyConnection) -> int:
        """How many values do not fit."""
        if self.before == self.after:
            return 0
        sql = f"SELECT count(*) FROM {self.place} WHERE {self.unfit}"
        (count,) = con.execute(sql).fetchone() or (0,)
        return int(count)


def upgrade(landing: Landing, loader: Loader, now: datetime) -> list[str]:
    """Bring a landing file to this version's columns; for one that is current this is one query.

    Returns:
        A line for each column whose type has changed.

    Raises:
        FixConfiguration: values of a key do not fit; nothing was changed.
        LoadFailed: values that do not fit cannot be saved; nothing was changed.
    """
    declared = digest(*(_columns(schema) for schema in LANDING_SCHEMAS))
    if landing.shared or landing.mark() == (FORMAT, declared):
        return []
    con = landing.connection
    lines: list[str] = []
    # First the schema in which values are saved that do not fit in the others.
    schemas = sorted(LANDING_SCHEMAS, key=lambda each: each != RUNS)
    changes = {schema: list(_changes(con, schema)) for schema in schemas}
    unfit = {each: each.count_unfit(con) for schema in schemas for each in changes[schema]}
    _refuse_unfit_keys(unfit)
    if unfit:
        loader.drain()  # what an interrupted run left has the columns of before
    for schema in schemas:
        if changes[schema]:
            for change in changes[schema]:
                lines += _save_unfit(con, loader, change, unfit[change], now)
            loader.drop_working_folder(schema)
            at_once(con, _statements(con, schema, changes[schema]))
        at_once(con, _new_columns(con, schema))
    at_once(
        con,
        (
            f"CREATE SCHEMA IF NOT EXISTS {MARK.partition('.')[0]}",
            f"CREATE OR REPLACE TABLE {MARK} AS SELECT {FORMAT} AS number, "
            f"{literal(declared)} AS declared",
        ),
    )
    return lines


def _columns(schema: str) -> dict[str, dict[str, str]]:
    return {table.name: dict(table.columns) for table in tables_of(schema)}


def _changes(con: duckdb.DuckDBPyConnection, schema: str) -> Iterator[Change]:
    landed = landed_types(con)
    for table in tables_of(schema):
        types = landed.get(f"{schema}.{table.name}", {})
        spelled = {name.casefold(): name for name in table.columns}
        for earlier, name in _EARLIER_NAMES.items():
            if name in table.hints() and name not in types:
                spelled[earlier] = name
        for name, before in types.items():
            if name.startswith(PRIVATE):
                continue
            column = spelled.get(name.casefold(), name)
            # A column that is no longer declared becomes an undocumented one.
            after = TYPES[table.hints().get(column, {}).get("data_type", data_type(before))]
            if (name, before) != (column, after):
                yield Change(schema, table, name, column, before, after)


def _new_columns(con: duckdb.DuckDBPyConnection, schema: str) -> Iterator[str]:
    """Statements that add what is declared and not there: a query may name it before a load."""
    landed = landed_types(con)
    for table in tables_of(schema):
        types = landed.get(f"{schema}.{table.name}")
        for column, kind in table.columns.items() if types else ():
            if types and column not in types:
                yield (
                    f"ALTER TABLE {schema}.{quoted(table.name)} "
                    f"ADD COLUMN {quoted(column)} {TYPES[kind]}"
                )


def _refuse_unfit_keys(unfit: Mapping[Change, int]) -> None:
    """Refuse what cannot be NULL, and what saves other values, before anything is changed."""
    for change, count in unfit.items():
        if count and (change.column in change.table.key or change.schema == RUNS):
            raise FixConfiguration(
                f"{change.name} holds {count} values that are not {change.after}, which it is in "
                "this version. Nothing was changed. Install the version that wrote them, and "
                "report this as a bug (docs/upgrade.md)."
            )


def _save_unfit(
    con: duckdb.DuckDBPyConnection, loader: Loader, change: Change, unfit: int, now: datetime
) -> Iterator[str]:
    """Save the values that do not fit in `rejected_records`; yields the line to report."""
    if change.before == change.after:
        return
    (filled,) = con.execute(
        f"SELECT count({quoted(change.landed)}) FROM {change.place}"
    ).fetchone() or (0,)
    fit = "1 value was" if filled - unfit == 1 else f"{filled - unfit} values were"
    line = f"{change.name} is {change.after} now and was {change.before}: {fit} converted."
    if not unfit:
        yield line
        return
    key = ", ".join(f"{quoted(column)}::VARCHAR" for column in change.table.key)
    with con.cursor() as cursor:
        cursor.execute(
            f"""SELECT to_json({quoted(change.landed)}), {key} FROM {change.place}
                WHERE {change.unfit}"""
        )
        while rows := cursor.fetchmany(BATCH_ROWS):
            loader.load(RUNS, {REJECTED_RECORDS: _rejected(change, rows, now)})
    yield (
        f"{line} {unfit} did not fit: they are NULL there, and saved in clipmart.rejected_records "
        'with the reason `field`. Read them with `clipmart query "FROM '
        'clipmart.rejected_records"`.'
    )


def _rejected(change: Change, rows: Iterable[tuple[str, ...]], now: datetime) -> list[Row]:
    return [
        Rejected(
            change.schema,
            change.table.name,
            "/".join(key),
            "field",
            {"column": change.column, "value": json.loads(value)},
            now,
        ).row()
        for value, *key in rows
    ]


def _statements(
    con: duckdb.DuckDBPyConnection, schema: str, changes: Iterable[Change]
) -> Iterator[str]:
    """Statements that change the columns, and let dlt forget the old ones.

    dlt takes a column that it has not recorded from the declaration, and creates its staging
    tables again, which are empty between loads.
    """
    yield f"DROP SCHEMA IF EXISTS {schema}_staging CASCADE"
    version, recorded = con.execute(
        f"""SELECT version_hash, schema FROM {schema}._dlt_version
            WHERE schema_name = {literal(schema)} ORDER BY inserted_at DESC LIMIT 1"""
    ).fetchone() or ("", '{"tables": {}}')
    stored = json.loads(recorded)
    for change in changes:
        alter = f"ALTER TABLE {change.place}"
        if change.landed != change.column:
            yield f"{alter} RENAME COLUMN {quoted(change.landed)} TO {quoted(change.column)}"
        if change.before != change.after:
            yield (
                f"{alter} ALTER COLUMN {quoted(change.column)} TYPE {change.after} "
                f"USING {change.value}"
            )
        stored["tables"].get(change.table.name, {}).get("columns", {}).pop(change.landed, None)
    yield (
        f"UPDATE {schema}._dlt_version SET schema = {literal(json.dumps(stored))} "
        f"WHERE version_hash = {literal(version)}"
    )
