"""Build a warehouse file: landing tables taken over, models created and audited, all commented.

The file is new each time, so every number is fresh and a failed build leaves only scrap.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import duckdb

from pipelines.disk import disk_full, is_full
from pipelines.service import LANDING_SCHEMAS
from sources.shared.drift import PRIVATE

from .catalog import (
    at_once,
    create_database,
    declared_types,
    described,
    landed_types,
    literal,
    no_data,
    qualified,
    quoted,
    refuse_other_types,
)
from .compiled import Project, digest
from .compiler import project
from .errors import AuditFailed, BuildFailed

UNDOCUMENTED_TABLE = "Not one of clipmart's tables; landed as the API sent it."
UNDOCUMENTED_COLUMN = "Not in the API reference; landed as the API sent it."

UNCHANGED = "Nothing was published: readers see what they saw, and what has landed is unchanged."


PUBLICATION = """
CREATE TABLE clipmart.publication (published_at TIMESTAMPTZ, built_from VARCHAR);
COMMENT ON TABLE clipmart.publication IS 'One row: where this file comes from.';
COMMENT ON COLUMN clipmart.publication.published_at IS 'When it was published (UTC instant).';
COMMENT ON COLUMN clipmart.publication.built_from
IS 'Fingerprint of the loads and of the code it was built from.';
"""


def build(landing: Path | None, target: Path, now: datetime | None = None) -> None:
    """Write a new DuckDB file at `target` from the landing file, which nobody may be writing.

    Without one every table is empty.

    Args:
        now: when it says that it was published; the machine's clock if not given.

    The file is on disk and has been opened again and checked.

    Raises:
        AuditFailed: a blocking audit found rows; `target` is removed.
        BuildFailed: a landing column has another type than declared, a model failed, or the file
            does not hold what was put into it; `target` is removed.
        DiskFull: `target` is removed.
    """
    remove_database(target)
    try:
        sql = project(target.parent)
        _begin_with(landing, target)
        with duckdb.connect(str(target)) as con:
            con.execute("SET TimeZone = 'UTC'")
            if now is not None:
                con.execute(f"SET VARIABLE clipmart_now = TIMESTAMPTZ '{now.isoformat()}'")
            built_from = landing_fingerprint(con)
            _tidy(con, sql)
            at_once(con, (comment for table in sql.landing for comment in table.comments))
            con.execute("BEGIN")
            make_models(con, sql)
            con.execute("COMMIT")
            _describe_the_undocumented(con)
            con.execute(PUBLICATION)
            write_publication(con, now or datetime.now(UTC), built_from)
            filled = contents(con)
            # Closing does the same, but a checkpoint that fails there fails silently.
            con.execute("CHECKPOINT")
        _check(target, filled, sql)
    except BaseException as error:
        remove_database(target)
        if is_full(error):
            raise disk_full(target) from error
        if isinstance(error, duckdb.Error):
            raise BuildFailed(
                f"{target} could not be built: {str(error).splitlines()[0]}. {UNCHANGED} "
                "Run `clipmart recover`, which checks what has landed and repairs it, then "
                "`clipmart publish`."
            ) from error
        raise


def _begin_with(landing: Path | None, target: Path) -> None:
    """Let the target begin as a copy of the landing file.

    With a million clips that takes a tenth of a second; to copy their rows takes five.
    """
    if landing is None:
        create_database(target)
        return
    for part in (landing, *logs(landing)):  # a sync that was killed leaves a log
        if part.exists():
            shutil.copyfile(part, target.with_name(part.name.replace(landing.name, target.name)))


def contents(con: duckdb.DuckDBPyConnection) -> dict[str, int | None]:
    """Every `schema.table` of the current database with its number of rows; None for a view."""
    held: dict[str, int | None] = {}
    for table, is_table in con.execute(
        """
        SELECT schema_name || '.' || table_name, TRUE FROM duckdb_tables()
        WHERE database_name = current_database()
        UNION ALL
        SELECT schema_name || '.' || view_name, FALSE FROM duckdb_views()
        WHERE database_name = current_database() AND NOT internal
        """
    ).fetchall():
        counted = con.execute(f"SELECT COUNT(*) FROM {qualified(table)}") if is_table else None
        held[table] = (counted.fetchone() or (0,))[0] if counted else None
    return held


def refuse_other_contents(file: Path, expected: dict[str, int | None]) -> None:
    """Open a file that was just written, and compare it with what it should hold.

    Raises:
        BuildFailed: part of it is still in a log, or it holds something else.
    """
    if logs(file):
        raise BuildFailed(f"{file} was not written completely: a log is next to it. {UNCHANGED}")
    with duckdb.connect() as con:
        con.execute(f"ATTACH {literal(str(file))} AS written (READ_ONLY)")
        con.execute("USE written")
        held = contents(con)
    wrong = [
        table for table in {*expected, *held} if held.get(table, -1) != expected.get(table, -1)
    ]
    if wrong:
        raise BuildFailed(
            f"{file} does not hold what was written into it: {', '.join(sorted(wrong)[:5])}. "
            f"{UNCHANGED} Check the disk, then run `clipmart publish`."
        )


def _check(target: Path, filled: dict[str, int | None], sql: Project) -> None:
    absent = sorted({relation.name for relation in sql.relations} - filled.keys())
    if absent:
        raise BuildFailed(
            f"{target} lacks {', '.join(absent[:5])}. {UNCHANGED} Report this as a bug."
        )
    refuse_other_contents(target, filled)


def _tidy(con: duckdb.DuckDBPyConnection, sql: Project) -> None:
    """Turn what dlt landed into the declared tables.

    dlt's schemas, tables, columns and marks go; declared tables that are absent are created empty.
    """
    landed, declared = landed_types(con), declared_types(sql)
    refuse_other_types(landed, declared)
    rows = [f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in LANDING_SCHEMAS]
    rows += [table.create for table in sql.landing if table.name not in landed]
    columns = []
    for table, types in landed.items():
        rows.append(f"DELETE FROM {qualified(table)} WHERE {no_data(con, table, types)}")
        alter = f"ALTER TABLE {qualified(table)}"
        columns += [f"{alter} DROP COLUMN {quoted(c)}" for c in types if c.startswith(PRIVATE)]
        columns += [
            f"{alter} ADD COLUMN {quoted(column)} {kind}"
            for column, kind in declared.get(table, {}).items()
            if column not in types
        ]
    at_once(con, rows)  # DuckDB alters no table in a transaction that has deleted from it
    at_once(con, [*columns, *_drop_dlts_own(con)])


def _drop_dlts_own(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Statements that drop dlt's staging schemas and its tables."""
    schemas = con.execute(
        "SELECT schema_name FROM duckdb_schemas() WHERE NOT internal AND schema_name <> 'main'"
    ).fetchall()
    tables = con.execute(
        """
        SELECT schema_name || '.' || table_name FROM duckdb_tables()
        WHERE STARTS_WITH(table_name, '_dlt_')
        """
    ).fetchall()
    dropped = [schema for (schema,) in schemas if schema not in LANDING_SCHEMAS]
    return [
        *(f"DROP SCHEMA {quoted(schema)} CASCADE" for schema in dropped),
        *(
            f"DROP TABLE {qualified(table)}"
            for (table,) in tables
            if table.split(".")[0] not in dropped
        ),
    ]


def landing_fingerprint(con: duckdb.DuckDBPyConnection) -> str:
    """What a build depends on: the completed loads, and the code that builds.

    The current database is the landing store, or an empty one if there is none.
    """
    loads = []
    having = con.execute(
        """SELECT DISTINCT schema_name FROM duckdb_columns()
           WHERE database_name = current_database() AND table_name = '_dlt_loads'"""
    ).fetchall()
    counts = " UNION ALL ".join(
        f"SELECT {literal(schema)}, COUNT(*), MAX(load_id) FROM {schema}._dlt_loads "
        "WHERE status = 0"
        for schema in LANDING_SCHEMAS
        if (schema,) in having
    )
    if counts:
        loads = [" ".join(map(str, counted)) for counted in con.execute(counts).fetchall()]
    return "; ".join([*loads, f"clipmart {metadata.version('clipmart')}", f"sql {digest()}"])


def fewer_loads(built_from: str, before: str) -> list[str]:
    """The schemas of which a fingerprint counts fewer completed loads than an earlier one."""

    def counts(fingerprint: str) -> dict[str, int]:
        parts = [part.split() for part in fingerprint.split("; ")]
        return {part[0]: int(part[1]) for part in parts if len(part) == 3}

    now = counts(built_from)
    return [schema for schema, loads in counts(before).items() if now.get(schema, 0) < loads]


def same_code(built_from: str, before: str) -> bool:
    """Whether two fingerprints are of the same code."""

    def code(fingerprint: str) -> list[str]:
        return [part for part in fingerprint.split("; ") if len(part.split()) == 2]

    return code(built_from) == code(before)


def write_publication(con: duckdb.DuckDBPyConnection, now: datetime, built_from: str) -> None:
    """The one row of the table `PUBLICATION`."""
    con.execute("DELETE FROM clipmart.publication")
    row = f"TIMESTAMPTZ '{now.isoformat()}', {literal(built_from)}"
    con.execute(f"INSERT INTO clipmart.publication VALUES ({row})")


def make_models(con: duckdb.DuckDBPyConnection, sql: Project) -> None:
    """Create every model with its comments in the current database, then run all audits.

    Raises:
        AuditFailed: naming each audit that returned rows.
        BuildFailed: a model or an audit cannot be executed.
    """
    errors: dict[str, int] = {}
    step = "The schemas"
    try:
        for schema in dict.fromkeys(model.schema for model in sql.models):
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        for model in sql.models:
            step = f"The model {model.name}"
            con.execute(model.create)
            con.execute("".join(model.comments))
        for model in sql.models:
            for audit in model.audits:
                step = f"The audit {audit.name} on {model.name}"
                (rows,) = con.execute(f"SELECT COUNT(*) FROM ({audit.query})").fetchone() or (0,)
                errors[f"{audit.name} on {model.name}"] = rows
    except duckdb.Error as error:
        raise BuildFailed(
            f"{step} failed: {str(error).splitlines()[0]}. {UNCHANGED} Fix this, then run "
            "`clipmart publish`."
        ) from error
    refuse_rows_of_audits(errors)


def refuse_rows_of_audits(counts: Mapping[str, int]) -> None:
    """Refuse to publish if an audit, by its name and model, returned rows.

    Raises:
        AuditFailed: naming each of them.
    """
    failures = [f"{audit} ({n} row{'s' * (n > 1)})" for audit, n in counts.items() if n]
    if failures:
        raise AuditFailed(
            f"Audits found rows that should not be there: {', '.join(failures)}. {UNCHANGED} The "
            "audits are in sql/audits; look at the rows in the landing store with DuckDB, and "
            "report this as a bug."
        )


def _describe_the_undocumented(con: duckdb.DuckDBPyConnection) -> None:
    """Comment every table and column of which no declaration says what it means."""
    statements = []
    for table, relation in described(con).items():
        if not relation.comment:
            statements.append(f"TABLE {qualified(table)} IS {literal(UNDOCUMENTED_TABLE)}")
        statements += [
            f"COLUMN {qualified(table)}.{quoted(column)} IS {literal(UNDOCUMENTED_COLUMN)}"
            for column, note in relation.notes.items()
            if not note
        ]
    at_once(con, (f"COMMENT ON {statement}" for statement in statements))


def remove_database(target: Path) -> None:
    """Remove a DuckDB file, its logs and what it spilled, where they are."""
    target.unlink(missing_ok=True)
    for log in logs(target):
        log.unlink(missing_ok=True)
    shutil.rmtree(f"{target}.tmp", ignore_errors=True)


def logs(file: Path) -> list[Path]:
    """DuckDB's write-ahead logs of a file: one, and two more while it makes a checkpoint."""
    candidates = (
        file.with_name(file.name + end) for end in (".wal", ".wal.checkpoint", ".wal.recovery")
    )
    return [log for log in candidates if log.exists()]
