"""Read the published file: from Python, Jupyter and the command line.

Every reader gets a private in-memory DuckDB with the file attached read-only. Opened directly, a
second connection of the same process would be given the file that the first one still holds,
although another has been published since.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pipelines.settings import Lake, Settings, load_settings
from sources.shared.errors import FixConfiguration, TryAgainLater, Unusable

if TYPE_CHECKING:
    import pandas as pd

_given: duckdb.DuckDBPyConnection | None = None


class NotPublished(FixConfiguration):
    """There is no published file to read."""


def connect() -> duckdb.DuckDBPyConnection:
    """Open what is published now; `FROM reports.shareability` and `FROM klipit.clips` answer.

    Closes the connection that it gave before, so running a notebook cell again shows new data.
    Instants are shown in UTC. Where CLIPMART_NOW is set, ages are counted from it.

    Raises:
        NotPublished: nothing is published in CLIPMART_DATA_DIR yet.
    """
    global _given
    if _given is not None:
        _given.close()
        _given = None
    _given = open_published(load_settings())
    return _given


def report(name: str) -> pd.DataFrame:
    """One report as a DataFrame, e.g. `report("moment_types")`; `-` may stand for `_`.

    Raises:
        NotPublished: nothing is published in CLIPMART_DATA_DIR yet.
        Unusable: there is no such report; the message lists those there are.
    """
    with open_published(load_settings()) as con:
        return con.sql(f"FROM reports.{report_name(con, name)}").df()


def report_names(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Every table and view of `reports` in the attached file, in alphabetical order."""
    rows = con.execute(
        """
        SELECT table_name
        FROM information_schema.tables
        WHERE table_catalog = current_database() AND table_schema = 'reports'
        ORDER BY table_name
        """
    ).fetchall()
    return [name for (name,) in rows]


def report_name(con: duckdb.DuckDBPyConnection, name: str) -> str:
    """The report's name as it stands in SQL.

    Raises:
        Unusable: there is no such report.
    """
    names = report_names(con)
    wanted = name.strip().lower().replace("-", "_")
    if wanted not in names:
        raise Unusable(
            f"There is no report '{name}'. There are: {', '.join(names)}. What each of them tells: "
            "`clipmart docs`."
        )
    return wanted


def open_published(settings: Settings, *, locked_down: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the published file; locked down, nothing outside it can be reached or changed.

    Raises:
        NotPublished: there is none.
        TryAgainLater: another program holds it open to write.
    """
    if settings.lake is not None:
        con = _open_lake(settings, settings.lake)
    elif settings.warehouse.exists():
        con = attach(settings.warehouse, now=settings.pinned_now)
    else:
        raise NotPublished(
            f"Nothing is published at {settings.warehouse}. Run `clipmart sync` first, or set "
            "CLIPMART_DATA_DIR to the folder that holds warehouse.duckdb."
        )
    if locked_down:
        con.execute("SET python_enable_replacements = false")
        if settings.lake is not None:
            con.execute(f"SET allowed_directories = ['{settings.lake.files}/']")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
    return con


def _open_lake(settings: Settings, lake: Lake) -> duckdb.DuckDBPyConnection:
    from .lake import NoLake, open_lake

    absent = NotPublished(
        f"Nothing is published in the lake at {lake.catalog}. Run `clipmart sync` first, or mend "
        "CLIPMART_LAKE_CATALOG."
    )
    try:
        con: duckdb.DuckDBPyConnection = open_lake(lake, landing=False, now=settings.pinned_now)
    except NoLake as error:
        raise absent from error
    if not report_names(con):
        con.close()
        raise absent
    return con


def attach(warehouse: Path, now: datetime | None = None) -> duckdb.DuckDBPyConnection:
    """A private DuckDB with the file as its default database, whatever the file is called.

    Raises:
        TryAgainLater: another program holds the file open to write.
        FixConfiguration: it is not a database that this version of DuckDB opens.
    """
    _remove_stale_log(warehouse)
    con = duckdb.connect()
    try:
        con.execute("SET TimeZone = 'UTC'")
        path = str(warehouse).replace("'", "''")
        con.execute(f"ATTACH '{path}' AS warehouse (READ_ONLY)")
        con.execute("USE warehouse")
        if now is not None:
            # No bound parameter: the first one makes DuckDB import pandas.
            con.execute(f"SET VARIABLE clipmart_now = TIMESTAMPTZ '{now.isoformat()}'")
    except duckdb.Error as error:
        con.close()
        if "Could not set lock" in str(error):
            raise TryAgainLater(
                f"{warehouse} is held open for writing by another program. Nothing is lost; "
                "close that program (or open the file read-only there) and try again."
            ) from error
        raise FixConfiguration(
            f"{warehouse} cannot be opened: {str(error).splitlines()[0]}. What is landed is "
            "unchanged; `clipmart publish` makes the file anew."
        ) from error
    return con


def query(con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyConnection:
    """Run one statement that only reads, and return the connection to fetch its rows from.

    Raises:
        Unusable: not one statement, not one that reads, or one that DuckDB refuses.
    """
    try:
        if not _only_reads(con, sql):
            raise Unusable(
                "`clipmart query` runs one statement that only reads: SELECT, FROM, WITH, "
                "DESCRIBE, SUMMARIZE, SHOW or EXPLAIN. Nothing was run. To write, copy the file "
                "with `clipmart publish FILE` and open the copy."
            )
        return con.execute(sql)
    except duckdb.Error as error:
        raise Unusable(
            f"DuckDB refused the statement: {error}\nNothing was changed. What there is: "
            '`clipmart query "SHOW ALL TABLES"`; what it means: `clipmart docs`.'
        ) from error


def _only_reads(con: duckdb.DuckDBPyConnection, sql: str) -> bool:
    statements = con.extract_statements(sql)
    if len(statements) != 1:
        return False
    if statements[0].type == duckdb.StatementType.EXPLAIN:
        # EXPLAIN ANALYZE runs what it explains.
        inner = re.match(r"\s*EXPLAIN\s+(?:ANALYZE\s|\([^)]*\))?(.*)", sql, re.I | re.S)
        return inner is not None and _only_reads(con, inner[1])
    return statements[0].type == duckdb.StatementType.SELECT


def _remove_stale_log(warehouse: Path) -> None:
    """Remove a log that a program left which opened the file for writing and died.

    It belongs to a file that was published before, and replaying it into this one fails or
    falsifies it. Nothing of clipmart's ever writes into a published file.
    """
    with suppress(OSError):
        warehouse.with_name(warehouse.name + ".wal").unlink(missing_ok=True)
