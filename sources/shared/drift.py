"""Undocumented fields land as columns of their own, typed by the first value seen.

BOOLEAN, DOUBLE for every number, VARCHAR (text that looks like a time stays text), JSON for objects
and lists.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .tables import REMOVED, Row, Table
from .values import MAX_DEPTH, DataType, json_text, undocumented_type, undocumented_value

PRIVATE = ("_dlt_", "_clipmart_")
"""How the names of internal columns begin."""

EXTRA = "extra"
"""JSON column for undocumented fields beyond `MAX_UNDOCUMENTED`: an object of field to value."""

MAX_UNDOCUMENTED = 100
"""Most undocumented columns of a table: each costs time and memory in every load and build."""

MAX_NAME_CHARACTERS = 200

_DRIFT_TYPES = frozenset({"text", "double", "bool", "json"})
_NOT_TEXT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format, surrogate, line separators
_NOT_IN_A_NAME = str.maketrans("'\"▶", "___")


@dataclass
class Drift:
    """The types of the undocumented columns that have landed; rows are converted to fit them."""

    known: dict[str, dict[str, DataType]] = field(default_factory=dict)
    """table → column → type"""
    max_columns: int = MAX_UNDOCUMENTED
    """Most undocumented columns of a table; more fields go into `EXTRA`."""

    @classmethod
    def of_schema(cls, schema: Any, tables: Iterable[Table]) -> Drift:
        """The undocumented columns that a dlt schema already knows."""
        landed = schema.tables
        return cls(
            {
                table.name: {
                    name: column["data_type"]
                    for name, column in landed.get(table.name, {}).get("columns", {}).items()
                    if name not in table.columns and column.get("data_type") in _DRIFT_TYPES
                }
                for table in tables
            }
        )

    def columns(self, table: Table) -> dict[str, DataType]:
        """A table's undocumented columns, column → type; what is added to it is remembered."""
        return self.known.setdefault(table.name, {})

    def fit(self, table: Table, row: Row) -> list[tuple[str, Any]]:
        """Convert a row's undocumented fields in place.

        Returns:
            The (field, value) pairs that do not fit their column; they land as NULL. If fields go
            into `EXTRA`, also (EXTRA, how many columns there may be).
        """
        unfit: list[tuple[str, Any]] = []
        undocumented = [name for name in row if name not in table.columns and name != REMOVED]
        if not undocumented:
            return unfit
        columns = self.columns(table)
        # Databases ignore case in column names, some by Unicode's rules.
        spelled = {name.casefold(): name for name in (*table.columns, *columns)}
        beyond: dict[str, Any] = {}
        for name in undocumented:
            value = row.pop(name)
            if value is None:
                continue
            column = name.translate(_NOT_IN_A_NAME)
            column = spelled.get(column.casefold(), column)
            if column in table.columns or column in row or not _is_fit(column):
                unfit.append((name, value))
                continue
            try:
                kind = undocumented_type(value)
                fitting = undocumented_value(value, kind)
            except (ValueError, OverflowError):
                unfit.append((name, value))
                continue
            if column not in columns and (
                len(columns) >= self.max_columns or column.casefold() == EXTRA
            ):
                beyond[name] = value
                continue
            if columns.setdefault(column, kind) != kind:
                unfit.append((name, value))
                continue
            spelled[column.casefold()] = column
            row[column] = fitting
        if beyond:
            if columns.setdefault(EXTRA, "json") == "json":
                row[EXTRA] = json_text(beyond, MAX_DEPTH + 1)
                unfit.append((EXTRA, self.max_columns))
            else:
                unfit += beyond.items()
        return unfit


def _is_fit(column: str) -> bool:
    """Whether a field's name can be a column name in any destination."""
    return (
        column != ""
        and column == column.strip()
        and len(column) <= MAX_NAME_CHARACTERS
        and ";" not in column
        and not any(unicodedata.category(letter) in _NOT_TEXT for letter in column)
        and not column.casefold().startswith(PRIVATE)
    )


def data_type(duckdb_type: str) -> DataType:
    """The type of a landed undocumented column, from DuckDB's name for it.

    One that was documented may have a type that undocumented ones never have.
    """
    types: dict[str, DataType] = {
        **{"BOOLEAN": "bool", "JSON": "json"},
        **{"DOUBLE": "double", "BIGINT": "double"},
    }
    return types.get(duckdb_type, "text")
