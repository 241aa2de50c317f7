"""Landing tables as a build and a lake see them: their columns, and which rows are data.

Statements bind nothing: the first parameter makes DuckDB import pandas.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from pipelines.service import LANDING_SCHEMAS, SERVICES
from sources.shared.tables import REMOVED

from .compiled import Project
from .errors import BuildFailed

PARENTS = {
    f"{service.name}.{table.name}": (
        service.api.parent,
        f"{service.name}.{service.api.records.name}",
        service.api.records.key[0],
    )
    for service in SERVICES.values()
    for table in (service.api.children, service.api.reads)
    if table is not None
}
"""Child → its column, its parent, and the parent's key."""


@dataclass
class Described:
    """A table or view of a database: its comment, and each column's type and comment."""

    comment: str
    types: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def described(con: duckdb.DuckDBPyConnection) -> dict[str, Described]:
    """Every `schema.table` of the current database, dlt's own tables left out."""
    relations: dict[str, Described] = {}
    for table, comment, column, kind, note in con.execute(
        """
        SELECT
          schema_name || '.' || table_name,
          COALESCE(relations.comment, ''),
          columns.column_name,
          columns.data_type,
          COALESCE(columns.comment, '')
        FROM
          (
            SELECT database_name, schema_name, table_name, comment FROM duckdb_tables()
            UNION ALL
            SELECT database_name, schema_name, view_name, comment FROM duckdb_views()
          ) AS relations
        INNER JOIN duckdb_columns() AS columns USING (database_name, schema_name, table_name)
        WHERE
          database_name = current_database()
          AND NOT columns.internal
          AND NOT STARTS_WITH(table_name, '_dlt_')
        ORDER BY schema_name, table_name, columns.column_index
        """
    ).fetchall():
        relation = relations.setdefault(table, Described(comment))
        relation.types[column], relation.notes[column] = kind, note
    return relations


def landed_types(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Columns and their types of each landing table in the current database."""
    types: dict[str, dict[str, str]] = {}
    listed = ", ".join(map(literal, LANDING_SCHEMAS))
    # Not from duckdb_tables(), for which a lake reads the statistics of every table.
    for table, column, kind in con.execute(
        f"""SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns()
            WHERE database_name = current_database() AND schema_name IN ({listed})
              AND NOT internal AND NOT STARTS_WITH(table_name, '_dlt_')
            ORDER BY schema_name, table_name, column_index"""
    ).fetchall():
        types.setdefault(table, {})[column] = kind
    return types


def declared_types(project: Project) -> dict[str, dict[str, str]]:
    """Columns and their types of each landing table as declared."""
    with duckdb.connect() as con:
        con.execute("".join(f"CREATE SCHEMA {schema};" for schema in LANDING_SCHEMAS))
        con.execute("".join(table.create for table in project.landing))
        return landed_types(con)


def refuse_other_types(
    landed: dict[str, dict[str, str]], declared: dict[str, dict[str, str]]
) -> None:
    """Refuse to build from a column that landed as another type than declared.

    Raises:
        BuildFailed: the message names the column and both types.
    """
    for table, types in declared.items():
        for column, kind in types.items():
            kind_landed = landed.get(table, {}).get(column, kind)
            if kind_landed != kind:
                raise BuildFailed(
                    f"{table}.{column} is landed as {kind_landed}, but sql/external_models.yaml "
                    f"declares {kind}. Nothing was published; what has landed is unchanged. "
                    "Run `clipmart recover`, which repairs it, then `clipmart publish`."
                )


def no_data(con: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str]) -> str:
    """The condition under which a row of a landing table is no data, or may be unknown (NULL).

    dlt has marked it as removed, or a load cut short has left it without the row it belongs to.
    Any other row without its parent is our mistake: the audits stop it. Loads cut short are
    rare, so they are looked up here, in the current database, and listed.
    """
    conditions = ["FALSE"]
    if REMOVED in columns:
        conditions.append(f"{REMOVED} IS TRUE")
    if table in PARENTS and "_dlt_load_id" in columns:
        column, parent, key = PARENTS[table]
        loads = f"{table.partition('.')[0]}._dlt_loads"
        cut_short = con.execute(
            f"""SELECT DISTINCT _dlt_load_id FROM {qualified(table)}
                WHERE _dlt_load_id NOT IN (SELECT load_id FROM {loads} WHERE status = 0)"""
        ).fetchall()
        if cut_short:
            listed = ", ".join(literal(load_id) for (load_id,) in cut_short)
            conditions.append(
                f"(_dlt_load_id IN ({listed}) AND {column} NOT IN (SELECT {key} FROM {parent}))"
            )
    return " OR ".join(conditions)


def at_once(con: duckdb.DuckDBPyConnection, statements: Iterable[str]) -> None:
    """Execute in one transaction: each of its own would be synced to disk."""
    con.execute(";".join(["BEGIN", *(statement.rstrip(";") for statement in statements), "COMMIT"]))


def quoted(identifier: str) -> str:
    """Quote an identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def qualified(table: str) -> str:
    """Quote `schema.table`."""
    schema, _, table = table.partition(".")
    return f"{quoted(schema)}.{quoted(table)}"


def literal(value: str) -> str:
    """Quote a text literal, for statements that take no parameters."""
    return "'" + value.replace("'", "''") + "'"


def create_database(file: Path) -> None:
    """Create an empty file in the format that DuckDB reads from 1.1 on.

    A file keeps its format, whichever version writes to it; 2.0 would give it one of its own.
    """
    with duckdb.connect() as con:
        con.execute(f"ATTACH {literal(str(file))} AS created (STORAGE_VERSION 'v1.0.0')")
