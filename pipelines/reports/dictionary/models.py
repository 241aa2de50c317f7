"""Every table and column that clipmart publishes, as the SQL project itself declares them.

A model's first comment says what a row is, its last SELECT casts and comments each column, and what
it names is what it is made from: SQLMesh has read that out of the files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from pipelines.settings import Settings
from pipelines.warehouse.build import (
    LANDING_SCHEMAS,
    PUBLICATION,
    UNDOCUMENTED_COLUMN,
    UNDOCUMENTED_TABLE,
)
from pipelines.warehouse.models import SQL, project
from pipelines.warehouse.read import attach

# The first that fits a number's name is its unit; other whole numbers are counts. Text has none.
_UNITS = (
    (r"per_minute$", "requests a minute"),
    (r"^credits_per_job$", "credits a job"),
    (r"^credits_per_clip$", "credits a clip"),
    (r"^burn_7d$", "credits a day"),
    (r"^days_left$", "days"),
    (r"credits|balance|^change$", "credits"),
    (r"seconds$", "seconds"),
    (r"minutes$", "minutes"),
    (r"^hours_", "hours"),
    (r"score$|^lift$", "points"),
    (r"^share_of_|^readiness$", "0 to 1"),
    (r"^rank$", "place"),
    (r"^exit_code$", "code"),
)


@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type, and what it means."""

    name: str
    type: str
    note: str

    @property
    def unit(self) -> str:
        """What a value counts or measures; empty where it is no quantity."""
        if self.type == "TIMESTAMPTZ":
            return "UTC instant"
        if self.type == "DATE":
            return "UTC day"
        if self.type not in ("BIGINT", "DOUBLE") or self.note == UNDOCUMENTED_COLUMN:
            return ""
        for pattern, unit in _UNITS:
            if re.search(pattern, self.name):
                return unit
        return "count" if self.type == "BIGINT" else ""


@dataclass(frozen=True)
class Relation:
    """A landing table or a model, by `schema.name`."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    reads: tuple[str, ...] = ()
    """What it is made from, by name."""
    sql: str = ""
    """The model's query; empty of a landing table."""

    @property
    def schema(self) -> str:
        return self.name.partition(".")[0]

    @property
    def table(self) -> str:
        return self.name.partition(".")[2]


def relations(settings: Settings) -> dict[str, Relation]:
    """Everything declared, and what the published file has beyond it (fields that are new).

    Raises:
        TryAgainLater, FixConfiguration: the published file is there and cannot be opened.
    """
    declared = {**project(settings.build_dir).relations, "clipmart.publication": PUBLICATION}
    found = {
        name: Relation(
            name,
            relation.description,
            relation.key,
            _columns(relation.types, relation.notes),
            relation.reads,
            _query(name),
        )
        for name, relation in declared.items()
    }
    if settings.warehouse.exists():
        with attach(settings.warehouse) as con:
            found = _with_undocumented(found, con)
    return found


def _query(name: str) -> str:
    """A model's query as it is written, comments included; empty of a landing table."""
    schema, _, table = name.partition(".")
    path = SQL / "models" / schema / f"{table}.sql"
    return path.read_text("utf-8").partition("\n);\n")[2].strip() if path.exists() else ""


def _with_undocumented(
    declared: dict[str, Relation], con: duckdb.DuckDBPyConnection
) -> dict[str, Relation]:
    found = dict(declared)
    published: dict[str, list[Column]] = {}
    for table, column, kind in con.execute(
        """
        SELECT schema_name || '.' || table_name, column_name, data_type
        FROM duckdb_columns()
        WHERE database_name = current_database() AND schema_name IN (SELECT UNNEST(?))
        ORDER BY schema_name, table_name, column_index
        """,
        [list(LANDING_SCHEMAS)],
    ).fetchall():
        published.setdefault(table, []).append(Column(column, _type(kind), UNDOCUMENTED_COLUMN))
    for name, columns in published.items():
        known = found.get(name) or Relation(name, UNDOCUMENTED_TABLE, (), ())
        names = {column.name for column in known.columns}
        more = tuple(column for column in columns if column.name not in names)
        found[name] = Relation(
            name, known.description, known.key, known.columns + more, known.reads, known.sql
        )
    return found


def _columns(types: Mapping[str, Any], notes: Mapping[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, _type(kind), notes.get(name, "")) for name, kind in types.items())


def _type(kind: str) -> str:
    """A type as one writes it: DuckDB's own name, but for the long one."""
    return str(duckdb.sqltype(kind)).replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
