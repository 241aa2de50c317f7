"""The files between a lake and a cluster: those that it reads, and those that it has written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sources.shared.tables import REMOVED

from .catalog import PARENTS, landed_types, literal, no_data, qualified
from .cluster import LandedFiles
from .compiled import Project

FOLDER = "cluster"
"""In the readers' lake: the files of each build, in a folder of its own."""
_PRIVATE = {"_dlt_load_id": "STRING", REMOVED: "BOOLEAN"}
"""Columns that `no_data` reads, and their types in Spark."""
_ALTERED = """
SELECT DISTINCT schemas.schema_name || '.' || tables.table_name
FROM {catalog}.ducklake_column AS columns
INNER JOIN {catalog}.ducklake_table AS tables USING (table_id)
INNER JOIN {catalog}.ducklake_schema AS schemas USING (schema_id)
GROUP BY schemas.schema_name, tables.table_name, columns.table_id, columns.column_id
HAVING COUNT(DISTINCT columns.column_name) > 1 OR COUNT(DISTINCT columns.column_type) > 1
"""


def make_plain(con: Any) -> None:
    """Leave no row of the landing lake in its catalog, and none in a file that is removed there."""
    con.execute("CALL ducklake_flush_inlined_data('landing')")
    con.execute("CALL ducklake_rewrite_data_files('landing', delete_threshold => 0)")


def landed(con: Any, sql: Project, folder: str) -> dict[str, LandedFiles]:
    """The files of each declared landing table, as the transaction sees it; parents come first.

    The current database is the landing lake. A table whose columns were renamed or converted is
    copied, since a reader of its files alone would take the old ones for empty.

    Args:
        folder: where a copy is written.
    """
    columns = landed_types(con)
    catalog = "__ducklake_metadata_landing.clipmart_landing"
    altered = {table for (table,) in con.execute(_ALTERED.format(catalog=catalog)).fetchall()}
    files = {}
    for name in sorted((t.name for t in sql.landing), key=lambda name: (name in PARENTS, name)):
        if name not in columns:
            files[name] = LandedFiles((), 0, "FALSE", {})
            continue
        source, data = qualified(name), f"({no_data(con, name, columns[name])}) IS NOT TRUE"
        private = {column: kind for column, kind in _PRIVATE.items() if column in columns[name]}
        if name in altered:
            copy = _new_file(f"{folder}/{name}", "copied.parquet")
            con.execute(f"COPY {source} TO {literal(copy)} (FORMAT parquet)")
            paths = [(copy,)]
        else:
            schema, _, table = map(literal, name.partition("."))
            paths = con.execute(
                f"SELECT data_file FROM ducklake_list_files('landing', {table}, schema => {schema})"
            ).fetchall()
        (rows,) = con.execute(f"SELECT COUNT(*) FROM {source}").fetchone()
        located = tuple(location(path) for (path,) in paths)
        files[name] = LandedFiles(located, rows, data, private)
    return files


def written(con: Any, folders: Mapping[str, str]) -> dict[str, list[str]]:
    """The files in the folders of tables."""
    files = {}
    for table, folder in folders.items():
        pattern = literal(f"{folder.removeprefix('file://')}/*.parquet")
        files[table] = [file for (file,) in con.execute(f"FROM glob({pattern})").fetchall()]
    return files


def add(con: Any, table: str, files: list[str]) -> None:
    """Take the files' rows into a table of the readers' lake, which owns them from now on."""
    schema, _, name = table.partition(".")
    for file in files:
        con.execute(
            f"""CALL ducklake_add_data_files(
                  'lake', {literal(name)}, {literal(file)}, schema => {literal(schema)})"""
        )


def location(path: str) -> str:
    """How a cluster names a file: its own default may be another file system."""
    return path if "://" in path else f"file://{path}"


def _new_file(folder: str, name: str) -> str:
    if "://" not in folder:
        Path(folder).mkdir(parents=True)
    return f"{folder}/{name}"
