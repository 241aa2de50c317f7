"""Read the published file: from Python, Jupyter and the command line.

Every reader gets a private in-memory DuckDB with the file attached read-only. Opened directly, a
second connection of the same process would be given the file that the first one still holds,
although another has been published since.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pipelines.program import command_line, from_here
from pipelines.settings import Lake, Settings, load_settings
from sources.shared.errors import FixConfiguration, TryAgainLater, Unusable

from .catalog import literal
from .supported import require

if TYPE_CHECKING:
    import pandas as pd

_given: duckdb.DuckDBPyConnection | None = None

_CATALOG = """
SELECT COALESCE(table_name, view_name) AS report, comment AS what_it_tells
FROM (FROM duckdb_tables() UNION ALL BY NAME FROM duckdb_views())
WHERE database_name = current_database() AND schema_name = 'reports'
ORDER BY report
"""


class NotPublished(FixConfiguration):
    """There is no published file to read."""


def connect(path: Path | str | None = None) -> duckdb.DuckDBPyConnection:
    """Open what is published now; `FROM reports.shareability` and `FROM klipit.clips` answer.

    Closes the connection that it gave before, so running a notebook cell again shows new data.
    Instants are shown in UTC. Where CLIPMART_NOW is set, ages are counted from it. Your own
    statements may read and write other files; a view in the published file may not.

    Args:
        path: a data folder, or a published file, such as one that was mailed; None for what
            CLIPMART_DATA_DIR names.

    Raises:
        NotPublished: nothing is published there yet.
        FixConfiguration: the file holds a view or macro that may read other files.
    """
    global _given
    if _given is not None:
        _given.close()
        _given = None
    settings = load_settings()
    if path is None:
        _given = open_published(settings, locked_down=False)
    else:
        _given = _open_file(Path(path).absolute(), settings.pinned_now, locked_down=False)
    return _given


def report(name: str | None = None) -> pd.DataFrame:
    """One report as a DataFrame, e.g. `report("moment_types")`; `-` is read as `_`.

    Without a name: every report, with what it tells.

    Raises:
        NotPublished: nothing is published in CLIPMART_DATA_DIR yet.
        Unusable: there is no such report; the message lists those there are.
        FixConfiguration: this version of pandas is not supported.
    """
    import pandas as pd

    require(pd)
    with open_published(load_settings()) as con:
        return con.sql(f"FROM reports.{report_name(con, name)}" if name else _CATALOG).df()


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
    """The report's name as SQL has it.

    Raises:
        Unusable: there is no such report.
    """
    names = report_names(con)
    wanted = name.strip().lower().replace("-", "_")
    if wanted not in names:
        raise Unusable(
            f"There is no report '{name}'. There are: {', '.join(names)}. What each of them says: "
            "`clipmart docs`."
        )
    return wanted


def open_published(
    settings: Settings, *, locked_down: bool = True, limits: Mapping[str, str] | None = None
) -> duckdb.DuckDBPyConnection:
    """Open what is published; locked down, nothing outside it can be reached or changed.

    Args:
        limits: DuckDB settings to lock in, such as memory_limit.

    Raises:
        NotPublished: there is none.
        TryAgainLater: another program holds it open to write.
        FixConfiguration: it cannot be opened; or, not locked down, a view in it reads other files.
    """
    if settings.lake is not None:
        con = _open_lake(settings, settings.lake)
        if locked_down:
            lock_down(con, settings.lake.files, limits=limits)
        return con
    return _open_file(
        settings.warehouse, settings.pinned_now, locked_down=locked_down, limits=limits
    )


def _open_file(
    path: Path,
    now: datetime | None,
    *,
    locked_down: bool,
    limits: Mapping[str, str] | None = None,
) -> duckdb.DuckDBPyConnection:
    """A published file, or the one in a data folder."""
    warehouse = path / "warehouse.duckdb" if path.is_dir() else path
    if not warehouse.exists():
        raise NotPublished(
            f"Nothing is published at {warehouse}. Run `clipmart sync` first, or set "
            f"CLIPMART_DATA_DIR to the folder that holds warehouse.duckdb.{_demo(warehouse)}"
        )
    return attach(warehouse, now, locked_down=locked_down, limits=limits)


def _demo(warehouse: Path) -> str:
    """How to read the demo's data, if there is any."""
    folder = warehouse.parent / "demo"
    if not (folder / warehouse.name).exists():
        return ""
    place = shlex.quote(from_here(folder))
    return f" The demo's data is in {place}: `CLIPMART_DATA_DIR={place} {command_line()} report`."


def lock_down(
    con: duckdb.DuckDBPyConnection, *folders: str, limits: Mapping[str, str] | None = None
) -> None:
    """Close a connection to everything but what it has attached and the files in `folders`.

    A file that somebody sent may hold a view over `read_text('/etc/passwd')`.
    """
    for option, value in (limits or {}).items():
        con.execute(f"SET {option} = {literal(value)}")
    con.execute("SET python_enable_replacements = false")
    con.execute("SET autoload_known_extensions = false")
    con.execute("SET autoinstall_known_extensions = false")
    con.execute("SET allow_community_extensions = false")
    if folders:
        listed = ", ".join(literal(f"{folder}/") for folder in folders)
        con.execute(f"SET allowed_directories = [{listed}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def _open_lake(settings: Settings, lake: Lake) -> duckdb.DuckDBPyConnection:
    from .lake import NoLake, open_lake

    absent = NotPublished(
        f"Nothing is published in the lake at {lake.catalog}. Run `clipmart sync` first, or "
        "correct CLIPMART_LAKE_CATALOG."
    )
    try:
        con: duckdb.DuckDBPyConnection = open_lake(lake, landing=False, now=settings.pinned_now)
    except NoLake as error:
        raise absent from error
    if not report_names(con):
        con.close()
        raise absent
    return con


def attach(
    warehouse: Path,
    now: datetime | None = None,
    *,
    locked_down: bool = True,
    limits: Mapping[str, str] | None = None,
) -> duckdb.DuckDBPyConnection:
    """A private DuckDB with the file as its default database, under any file name.

    Args:
        locked_down: as `lock_down`. Otherwise every view in the file is checked first.
        limits: DuckDB settings to lock in.

    Raises:
        TryAgainLater: another program holds the file open to write.
        FixConfiguration: it is not a database that this version of DuckDB opens; or a view or a
            macro in it may read other files.
    """
    _remove_stale_log(warehouse)
    con = duckdb.connect()
    try:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH {literal(str(warehouse))} AS warehouse (READ_ONLY)")
        con.execute("USE warehouse")
        if now is not None:
            # No bound parameter: the first one makes DuckDB import pandas.
            con.execute(f"SET VARIABLE clipmart_now = TIMESTAMPTZ '{now.isoformat()}'")
        if locked_down:
            lock_down(con, limits=limits)
        else:
            _refuse_foreign_views(con, warehouse)
    except duckdb.Error as error:
        con.close()
        if "Could not set lock" in str(error):
            raise TryAgainLater(
                f"{warehouse} is held open for writing by another program. Nothing is lost; "
                "close that program (or open the file read-only there) and try again."
            ) from error
        raise FixConfiguration(
            f"{warehouse} cannot be opened: {str(error).splitlines()[0]}. What has landed is "
            "unchanged; `clipmart publish` builds the file again."
        ) from error
    return con


def _refuse_foreign_views(con: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    """Refuse a file that would read others as soon as one of its own views is read."""
    from .statement import foreign_view

    foreign = foreign_view(con)
    if foreign is not None:
        con.close()
        raise FixConfiguration(
            f"{warehouse} holds {foreign}, which clipmart did not write and which could read your "
            "files. The file was not opened. `clipmart report` and `clipmart query` read it locked "
            "down; `clipmart publish` builds your own file again."
        )


def query(
    con: duckdb.DuckDBPyConnection, sql: str, most: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Run one statement that only reads, and return the connection to fetch its rows from.

    Args:
        con: as `open_published` gives it.
        sql: the statement.
        most: the rows after which it may end; all are computed before the first can be fetched.

    Raises:
        Unusable: not one statement, not one that reads the published tables alone, or one that
            DuckDB refuses.
        duckdb.InterruptException, duckdb.OutOfMemoryException: it was stopped.
    """
    try:
        refuse_other_statements(con, sql)
        return con.execute(sql if most is None else _first_rows(con, sql, most))
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) and "HTTP" in str(error):
            raise  # a lake's files could not be read: not the statement's fault
        raise Unusable(
            f"DuckDB refused the statement: {_reason(error)} Nothing was changed. What there is: "
            '`clipmart query "SHOW ALL TABLES"`; what it means: `clipmart docs`.'
        ) from error


def refuse_other_statements(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse what is not one statement that only reads the published tables.

    Raises:
        Unusable: it is not.
        duckdb.Error: it cannot be parsed.
    """
    from .statement import only_reads, reads_elsewhere

    if not only_reads(con, sql):
        raise Unusable(
            "`clipmart query` runs one statement that only reads: SELECT, FROM, WITH, "
            "DESCRIBE, SUMMARIZE, SHOW or EXPLAIN. Nothing was run. To write, copy the file "
            "with `clipmart publish FILE` and open the copy."
        )
    elsewhere = reads_elsewhere(con, sql)
    if elsewhere is not None:
        raise Unusable(
            f"`clipmart query` reads the published tables alone, and the statement names "
            f'{elsewhere}. Nothing was run. What there is: `clipmart query "SHOW ALL TABLES"`.'
        )


def _first_rows(con: duckdb.DuckDBPyConnection, sql: str, most: int) -> str:
    """The statement with a limit around it; unchanged if it takes none, as EXPLAIN."""
    from .statement import only_reads

    limited = f"FROM ({sql.rstrip().removesuffix(';')}\n) LIMIT {most}"
    try:
        return limited if only_reads(con, limited) else sql
    except duckdb.Error:
        return sql


def _reason(error: duckdb.Error) -> str:
    """DuckDB's reason in one line, with the line of a longer statement in place of an excerpt."""
    reason, _, excerpt = str(error).partition("\n\nLINE ")
    number = excerpt.partition(":")[0]
    at = f" (line {number})" if number.isdigit() and number != "1" else ""
    return f"{reason.rstrip('.')}{at}."


def _remove_stale_log(warehouse: Path) -> None:
    """Remove a log that a program left which opened the file for writing and died.

    It belongs to a file that was published before, and replaying it into this one fails or
    falsifies it. Nothing of clipmart's ever writes into a published file.
    """
    with suppress(OSError):
        warehouse.with_name(warehouse.name + ".wal").unlink(missing_ok=True)
