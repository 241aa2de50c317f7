"""Rows of the published file, with the names and types of their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from pipelines.warehouse.read import report_name

LINKS = frozenset({"media_url", "file_url", "export_url"})  # each may hold a signature


@dataclass(frozen=True)
class Table:
    """Rows with the names and DuckDB types of their columns."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def only(self, wanted: Callable[[str], bool]) -> Table:
        """The columns for whose names `wanted` is true."""
        places = [i for i, column in enumerate(self.columns) if wanted(column)]
        return replace(
            self,
            columns=tuple(self.columns[i] for i in places),
            types=tuple(self.types[i] for i in places),
            rows=[tuple(row[i] for i in places) for row in self.rows],
        )


def read_report(con: duckdb.DuckDBPyConnection, name: str, *, links: bool = True) -> Table:
    """One report of the published file, whole.

    Raises:
        Unusable: there is no such report; the message lists the reports.
    """
    name = report_name(con, name)
    table = fetch(con.execute(f'FROM reports."{name}"'), name)
    return table if links else table.only(lambda column: column not in LINKS)


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


def _columns_and_types(
    con: duckdb.DuckDBPyConnection,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    described = con.description or []
    return tuple(column[0] for column in described), tuple(str(column[1]) for column in described)
