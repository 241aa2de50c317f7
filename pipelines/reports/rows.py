"""Rows of the published file, with the names and types of their columns."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipelines.files import replacing
from pipelines.warehouse.catalog import quoted
from pipelines.warehouse.read import report_name
from sources.shared.errors import Unusable

LINKS = frozenset({"media_url", "file_url", "export_url"})  # each may hold a signature
SHOW = "show_name"
_MOST_NAMES = 10
_LETTERS = 40  # of a show's name in a message


@dataclass(frozen=True)
class Table:
    """Rows with the names and DuckDB types of their columns."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    filtered: str = ""
    """Which rows of a report these are, as 'of My show since 4 Nov 2026'; empty: all."""
    total: int | None = None
    """How many rows there are, if these are only the first."""
    filled: frozenset[str] = frozenset()
    """The columns in which any of them has a value, if these are only the first."""


@dataclass(frozen=True)
class Selection:
    """Which rows and columns of a report to read."""

    show: str | None = None
    since: date | None = None
    """The first day, in UTC; the week or month that it is in counts as a whole."""
    sort: str | None = None
    """A column: numbers and days from the highest, text and ranks from the lowest."""
    limit: int | None = None
    links: bool = True

    def words(self) -> str:
        """'of My show since 4 Nov 2026'; empty if all rows are read."""
        words = [f"of {self.show}"] if self.show is not None else []
        if self.since is not None:
            words.append(f"since {self.since.day} {self.since:%b %Y}")
        return " ".join(words)


EVERYTHING = Selection()


def read_report(
    con: duckdb.DuckDBPyConnection,
    name: str,
    selection: Selection = EVERYTHING,
    most: int | None = None,
) -> Table:
    """One report of the published file, or the selected rows of it.

    Args:
        most: read no more rows than this, and count the others.

    Raises:
        Unusable: as `select_report`.
    """
    name, selection, statement = _statement(con, name, selection)
    statement.run(con, most and most + 1)
    table = Table(name, *_columns_and_types(con), con.fetchall(), selection.words())
    if most is None or len(table.rows) <= most:
        return table
    total, filled = _counted(con, statement, table)
    return replace(table, rows=table.rows[:most], total=total, filled=filled)


def stream_report(
    con: duckdb.DuckDBPyConnection, name: str, selection: Selection
) -> Iterator[Table]:
    """The same, some rows at a time, with instants as text in ISO 8601.

    Raises:
        Unusable: as `select_report`.
    """
    _, _, statement = _statement(con, name, selection)
    yield from instants_as_text(con, statement.sql, statement.values)


def _counted(
    con: duckdb.DuckDBPyConnection, statement: _Statement, table: Table
) -> tuple[int, frozenset[str]]:
    """How many rows a statement gives, and which of its columns have any value."""
    counts = [
        f"count(*) FILTER (isfinite({quoted(column)}))"
        if kind in ("DOUBLE", "FLOAT")
        else f"count({quoted(column)})"
        for column, kind in zip(table.columns, table.types, strict=True)
    ]
    counting = f"SELECT count(*), {', '.join(counts)} FROM ({statement.sql})"
    ((total, *filled),) = replace(statement, sql=counting).run(con).fetchall()
    has_values = zip(table.columns, filled, strict=True)
    return total, frozenset(column for column, count in has_values if count)


def write_parquet(
    con: duckdb.DuckDBPyConnection, name: str, selection: Selection, file: Path
) -> None:
    """Write a report, or the selected rows of it, as a Parquet file.

    Raises:
        Unusable: as `select_report`.
        OSError: as `replacing`.
    """
    from pyarrow import parquet

    select_report(con, name, selection)
    with warnings.catch_warnings():
        # DuckDB 2 warns of a copy of the rows, which one report can afford.
        warnings.filterwarnings("ignore", "Arrow output on a DB-API result", UserWarning)
        table = con.to_arrow_table()
    with replacing(file) as draft:
        parquet.write_table(table, draft)


def select_report(
    con: duckdb.DuckDBPyConnection, name: str, selection: Selection
) -> tuple[str, Selection]:
    """Run the statement that selects from a report; the connection then has its rows.

    Returns:
        The report's name as SQL has it, and the selection with the show's name as the data has it.

    Raises:
        Unusable: there is no such report or show; or the report has no such column, no shows or no
            days. The message lists what there is.
    """
    name, selection, statement = _statement(con, name, selection)
    statement.run(con)
    return name, selection


@dataclass(frozen=True)
class _Statement:
    """A statement and the values of its parameters."""

    sql: str
    values: dict[str, Any]

    def run(
        self, con: duckdb.DuckDBPyConnection, limit: int | None = None
    ) -> duckdb.DuckDBPyConnection:
        sql = self.sql if limit is None else f"FROM ({self.sql}) LIMIT {limit}"
        if self.values:
            return con.execute(sql, self.values)
        return con.execute(sql)  # without parameters: the first one makes DuckDB import pandas


def _statement(
    con: duckdb.DuckDBPyConnection, name: str, selection: Selection
) -> tuple[str, Selection, _Statement]:
    """The statement that `select_report` runs; it returns and raises as that."""
    name = report_name(con, name)
    columns, types = _columns_and_types(con.execute(f"FROM reports.{quoted(name)} LIMIT 0"))
    conditions: list[str] = []
    values: dict[str, Any] = {}
    if selection.show is not None:
        if SHOW not in columns:
            raise _lacks(con, name, "shows", "--show", lambda columns, _: SHOW in columns)
        selection = replace(selection, show=known_show(con, selection.show))
        conditions.append(f"{SHOW} = $show")
        values["show"] = selection.show
    if selection.since is not None:
        day = date_column(columns, types)
        if day is None:
            raise _lacks(con, name, "days", "--since", date_column)
        is_instant = types[columns.index(day)] != "DATE"
        place = f"({quoted(day)} AT TIME ZONE 'UTC')::DATE" if is_instant else quoted(day)
        unit = day if day in ("week", "month") else "day"
        conditions.append(f"{place} >= date_trunc('{unit}', $since::DATE)")
        values["since"] = selection.since
    sql = f"FROM reports.{quoted(name)}"
    if conditions:
        sql += f" WHERE {' AND '.join(conditions)}"
    if selection.sort is not None:
        sql = _sorted(sql, name, columns, types, selection.sort)
    links = [quoted(column) for column in columns if column in LINKS]
    if links and not selection.links:
        sql = f"SELECT * EXCLUDE ({', '.join(links)}) {sql}"
    if selection.limit is not None:
        sql += f" LIMIT {selection.limit}"
    return name, selection, _Statement(sql, values)


def date_column(columns: Sequence[str], types: Sequence[str]) -> str | None:
    """The day, week or month of a report's rows, else when they were created; None without."""
    kinds = dict(zip(columns, types, strict=True))
    days = [name for name, kind in kinds.items() if kind == "DATE"]
    instants = [name for name, kind in kinds.items() if kind == "TIMESTAMP WITH TIME ZONE"]
    created = [name for name in instants if name == "created_at"]
    return next(iter([*days, *created, *instants]), None)


def _sorted(sql: str, name: str, columns: Sequence[str], types: Sequence[str], wanted: str) -> str:
    column = wanted.strip().lower().replace("-", "_")
    if column not in columns:
        raise Unusable(f"{name} has no column '{wanted}'. It has: {', '.join(columns)}.")
    lowest_first = column == "rank" or types[columns.index(column)] == "VARCHAR"
    order = f"{quoted(column)} {'ASC' if lowest_first else 'DESC'} NULLS LAST"
    # Rows that are equal in it stay in the report's order.
    place = quoted("row's place")
    numbered = f"SELECT *, row_number() OVER () AS {place} {sql}"
    return f"SELECT * EXCLUDE ({place}) FROM ({numbered}) ORDER BY {order}, {place}"


def known_show(con: duckdb.DuckDBPyConnection, wanted: str) -> str:
    """The show's name as the data has it; small and capital letters need not be right.

    Raises:
        Unusable: there is no such show; the message lists those there are.
    """
    rows = con.execute(
        f"SELECT DISTINCT {SHOW} FROM staging.stg_klipit__jobs WHERE {SHOW} IS NOT NULL ORDER BY 1"
    ).fetchall()
    shows: list[str] = [show for (show,) in rows]
    if wanted in shows:
        return wanted
    alike = [show for show in shows if show.casefold() == wanted.casefold()]
    if len(alike) == 1:
        return alike[0]
    raise unknown_show_error(wanted, shows)


def unknown_show_error(wanted: str, shows: Sequence[str]) -> Unusable:
    """The error for a show that there is not, with those there are, similar names first."""
    if not shows:
        return Unusable(
            f"There is no show '{wanted}': no episode has a show's name yet. `clipmart track "
            "klipit --from FILE` adds them, in a column show_name."
        )
    near = difflib.get_close_matches(wanted, shows, _MOST_NAMES, 0.5)
    listed = list(dict.fromkeys([*near, *shows]))[:_MOST_NAMES]
    names = ", ".join(name if len(name) <= _LETTERS else f"{name[:_LETTERS]}…" for name in listed)
    more = f" and {len(shows) - len(listed):,} more" if len(shows) > len(listed) else ""
    return Unusable(f"There is no show '{wanted}'. There are: {names}{more}.")


def _lacks(
    con: duckdb.DuckDBPyConnection,
    name: str,
    things: str,
    option: str,
    has: Callable[[Sequence[str], Sequence[str]], object],
) -> Unusable:
    """The error for a report without shows or days, with the reports that have them."""
    others = [
        report
        for report, columns, types in con.execute(
            """
            SELECT table_name, list(column_name), list(data_type)
            FROM information_schema.columns
            WHERE table_catalog = current_database() AND table_schema = 'reports'
            GROUP BY table_name ORDER BY table_name
            """
        ).fetchall()
        if has(columns, types)
    ]
    return Unusable(f"{name} has no {things}. {option} works with: {', '.join(others)}.")


def fetch(con: duckdb.DuckDBPyConnection, name: str = "rows") -> Table:
    """All rows of the connection's last statement."""
    return Table(name, *_columns_and_types(con), con.fetchall())


def batches(con: duckdb.DuckDBPyConnection, rows: int = 10_000) -> Iterator[Table]:
    """The same, some rows at a time; if there are no rows, one table without any."""
    columns, types = _columns_and_types(con)
    part = con.fetchmany(rows)
    yield Table("rows", columns, types, part)
    while len(part) == rows:
        part = con.fetchmany(rows)
        yield Table("rows", columns, types, part)


def instants_as_text(
    con: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None
) -> Iterator[Table]:
    """The rows of a SELECT as `batches` gives them, with its instants as text in ISO 8601.

    DuckDB writes an instant as text in a tenth of the time that Python needs for one. The types
    are those of the statement.

    Raises:
        duckdb.Error: the statement cannot be part of another, as EXPLAIN; nothing was run.
    """
    within = f"FROM ({sql}\n)"
    columns, types = _columns_and_types(con.execute(f"{within} LIMIT 0", *filter(None, [values])))
    names = [f"c{number}" for number in range(len(columns))]
    cells = [
        _ISO.format(name) if kind == "TIMESTAMP WITH TIME ZONE" else name
        for name, kind in zip(names, types, strict=True)
    ]
    con.execute(
        f"SELECT {', '.join(cells)} {within} AS t ({', '.join(names)})", *filter(None, [values])
    )
    for part in batches(con):
        yield replace(part, columns=columns, types=types)


# As Python writes them; it has no others than these years.
_ISO = """CASE WHEN year({0}) BETWEEN 1 AND 9999
  THEN strftime({0} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S') || CASE
    WHEN epoch_us({0}) % 1_000_000 = 0 THEN '' ELSE strftime({0} AT TIME ZONE 'UTC', '.%f')
  END || 'Z' ELSE {0}::VARCHAR END"""


def _columns_and_types(
    con: duckdb.DuckDBPyConnection,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    described = con.description or []
    return tuple(column[0] for column in described), tuple(str(column[1]) for column in described)
