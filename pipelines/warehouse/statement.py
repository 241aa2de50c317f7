"""What a SQL statement reads in addition to the published tables, by DuckDB's own parse of it.

DuckDB's lock on files does not hold everywhere: in a lake the PostgreSQL extension's functions run
any SQL as the database's user, on any host, and `duckdb_databases()` shows where it is attached.
So what may be named is listed, and everything else is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from .catalog import literal

HARMLESS = frozenset(
    (
        *("generate_series", "icu_calendar_names", "json_each", "json_tree", "pg_timezone_names"),
        *("pragma_version", "range", "repeat", "repeat_row", "unnest"),
        *("duckdb_columns", "duckdb_constraints", "duckdb_functions", "duckdb_keywords"),
        *("duckdb_schemas", "duckdb_tables", "duckdb_types", "duckdb_views"),
    )
)
"""Table functions, and DuckDB's views of the same names, that show neither files nor secrets."""
_EXECUTES_TEXT = frozenset({"json_serialize_plan"})
"""Scalar functions that bind SQL given as text, which connects to what it names."""
_SHOWN = frozenset({"__show_tables_expanded", '"tables"', '"databases"', '"variables"'})
"""What SHOW lists without naming a table, as the parser writes it."""
# Stricter than DuckDB: a name or alias of other characters could hide where the query begins.
_VIEW = re.compile(r'CREATE VIEW [\w."]+(?: \([\w", ]+\))? AS (.+)', re.S)


def only_reads(con: duckdb.DuckDBPyConnection, sql: str) -> bool:
    """Whether it is one statement that only reads: a SELECT in any of its forms, or EXPLAIN.

    Raises:
        duckdb.Error: it cannot be parsed.
    """
    explained = _explained(con, sql)
    if explained is not None:
        return only_reads(con, explained)
    return _types(con, sql) == [duckdb.StatementType.SELECT]


def reads_elsewhere(con: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    """What a statement that `only_reads` reads in addition to the schemas of the current database.

    Returns:
        In words; None if there is nothing.
    """
    explained = _explained(con, sql)
    if explained is not None:
        return reads_elsewhere(con, explained)
    return _first_elsewhere(con, sql, _Database(con))


def foreign_view(con: duckdb.DuckDBPyConnection) -> str | None:
    """A view or macro of the current database that may read outside it, in words.

    The models create no macros, and their views name nothing but tables of the same file.
    """
    for schema, macro in con.execute(
        "SELECT schema_name, function_name FROM duckdb_functions() "
        "WHERE database_name = current_database()"
    ).fetchall():
        return f"the macro {schema}.{macro}"
    own = _Database(con)
    for schema, view, sql in con.execute(
        "SELECT schema_name, view_name, sql FROM duckdb_views() "
        "WHERE database_name = current_database() AND NOT internal"
    ).fetchall():
        query = _VIEW.fullmatch(sql)
        reads = _first_elsewhere(con, query[1], own) if query else "a name that cannot be checked"
        if reads is not None:
            return f"the view {schema}.{view} over {reads}"
    return None


class _Database:
    """The name and the schemas of the database that a connection uses."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        rows = con.execute(
            "SELECT current_database(), schema_name FROM duckdb_schemas() "
            "WHERE database_name = current_database()"
        ).fetchall()
        self.name = str(rows[0][0]).casefold() if rows else ""
        # In `main` DuckDB finds its own views too, which show where databases are attached.
        inner = {"main", "pg_catalog"}
        self.schemas = {str(schema).casefold() for _, schema in rows} - inner
        self.schemas.add("information_schema")

    def holds(self, catalog: str, schema: str) -> bool:
        return catalog in ("", self.name) and schema in self.schemas


def _first_elsewhere(con: duckdb.DuckDBPyConnection, sql: str, own: _Database) -> str | None:
    # Nothing bound: the first parameter makes DuckDB import pandas.
    # All rows are fetched: DuckDB 2 refuses `con.sql` while a result is unfinished.
    ((serialized,),) = con.execute(f"SELECT json_serialize_sql({literal(sql)})").fetchall()
    try:
        parsed: dict[str, Any] = json.loads(serialized)
        if parsed["error"] or len(parsed["statements"]) != 1:
            return "what PRAGMA or CALL would show"
        return next(_elsewhere(parsed, own, frozenset()), None)
    except RecursionError:
        return "more levels of nesting than can be checked"


def _elsewhere(node: Any, own: _Database, ctes: frozenset[str]) -> Iterator[str]:
    """What is outside, in the parse's order. `ctes` are the WITH names that a node can see."""
    if isinstance(node, list):
        for item in node:
            yield from _elsewhere(item, own, ctes)
        return
    if not isinstance(node, dict):
        return
    for cte in (node.get("cte_map") or {}).get("map") or ():
        # Not its own name: inside it, that still means a table.
        yield from _elsewhere(cte["value"], own, ctes)
        ctes |= {cte["key"].casefold()}
    match node.get("type"):
        case "BASE_TABLE":
            yield from _table(node, own, ctes)
        case "TABLE_FUNCTION":
            function = node.get("function") or {}
            name = _named(function, "function_name")
            qualified = [_named(function, part) for part in ("catalog", "schema")]
            if name not in HARMLESS or qualified != ["", ""]:
                yield f"the table function {'.'.join(filter(None, [*qualified, name]))}"
        case "SHOW_REF":
            shown, schema = _named(node, "table_name"), _named(node, "schema_name")
            if schema and not own.holds(_named(node, "catalog_name"), schema):
                yield f"the schema {schema}"
            elif not schema and not node.get("query") and shown not in _SHOWN:
                yield f"the list {shown}"
        case "FUNCTION" if _named(node, "function_name") in _EXECUTES_TEXT:
            yield f"the function {_named(node, 'function_name')}"
        case "RECURSIVE_CTE_NODE":
            yield from _elsewhere(node["left"], own, ctes)
            ctes |= {_named(node, "cte_name")}
    for key, value in node.items():
        if key != "cte_map" and not (key == "left" and "cte_name" in node):
            yield from _elsewhere(value, own, ctes)


def _table(node: dict[str, Any], own: _Database, ctes: frozenset[str]) -> Iterator[str]:
    catalog, schema, table = (
        _named(node, part) for part in ("catalog_name", "schema_name", "table_name")
    )
    if schema or catalog:
        if not own.holds(catalog, schema):
            yield f"the table {'.'.join(filter(None, [catalog, schema, table]))}"
    elif table not in ctes and table not in HARMLESS:
        yield f"{table}, a table without a schema (write one, as in reports.shareability)"


def _named(node: dict[str, Any], part: str) -> str:
    return str(node.get(part) or "").casefold()


def _explained(con: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    """What an EXPLAIN explains, which EXPLAIN ANALYZE runs; None if it is another statement."""
    if _types(con, sql) != [duckdb.StatementType.EXPLAIN]:
        return None
    inner = re.match(r"\s*EXPLAIN\s+(?:ANALYZE\s|\([^)]*\))?(.*)", sql, re.I | re.S)
    return inner[1] if inner else ""


def _types(con: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.StatementType]:
    return [statement.type for statement in con.extract_statements(sql)]
