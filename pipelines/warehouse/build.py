"""Build a warehouse file: landing tables taken over, SQL models made and audited, all commented.

The file is new each time, so every number is fresh and a failed build leaves only scrap.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import duckdb

from pipelines.disk import disk_full, is_full

from .models import BuildFailed, Model, Relation, digest, project

LANDING_SCHEMAS = ("klipit", "clipus", "clipmart")
PRIVATE = ("_dlt_", "_clipmart_")  # how dlt's columns and those of our own book-keeping begin
# dlt's hard delete: where a parent has no children any more, a row with this mark says so.
REMOVED = "_clipmart_removed"
# child: (its column, parent, the parent's key)
PARENTS = {
    "klipit.clips": ("job_id", "klipit.jobs", "id"),
    "klipit.clip_reads": ("job_id", "klipit.jobs", "id"),
    "clipus.videos": ("campaign_id", "clipus.campaigns", "campaign_id"),
}
UNDOCUMENTED_TABLE = "Not one of clipmart's tables; landed as it came."
UNDOCUMENTED_COLUMN = "Not in the API reference; landed as it came."

KEPT = "Nothing was published: what readers see is as it was, and what is landed is unchanged."


PUBLICATION = Relation(
    types={"published_at": "TIMESTAMPTZ", "built_from": "VARCHAR"},
    description="One row: where this file comes from.",
    notes={
        "published_at": "When it was published (UTC instant).",
        "built_from": "Fingerprint of the loads and of the code it was built from.",
    },
)


class AuditFailed(BuildFailed):
    """A blocking audit found rows that clipmart's own code should have kept out."""


def build(landing: Path | None, target: Path, now: datetime | None = None) -> None:
    """Make a new DuckDB file at `target` from the landing file, which nobody may be writing.

    Without one every table stands empty.

    Args:
        now: when it says that it was published; the machine's clock where not given.

    The file is on disk and has been opened again and checked.

    Raises:
        AuditFailed: a blocking audit found rows; `target` is removed.
        BuildFailed: a landing column has another type than declared, a model failed, or the file
            does not hold what was put into it; `target` is removed.
        DiskFull: `target` is removed.
    """
    remove_database(target)
    try:
        made = project(target.parent)
        _begin_with(landing, target)
        with duckdb.connect(str(target)) as con:
            con.execute("SET TimeZone = 'UTC'")
            if now is not None:
                con.execute(f"SET VARIABLE clipmart_now = TIMESTAMPTZ '{now.isoformat()}'")
            built_from = landing_fingerprint(con)
            _tidy(con, made.relations)
            con.execute("BEGIN")
            make(con, made.models)
            con.execute("COMMIT")
            _comment(con, made.relations)
            write_publication(con, now or datetime.now(UTC), built_from)
            filled = contents(con)
            # Closing does the same, but a checkpoint that fails there fails silently.
            con.execute("CHECKPOINT")
        _check(target, filled, made.relations)
    except BaseException as error:
        remove_database(target)
        if is_full(error):
            raise disk_full(target) from error
        if isinstance(error, duckdb.Error):
            raise BuildFailed(
                f"{target} could not be built: {str(error).splitlines()[0]}. {KEPT} "
                "Run `clipmart recover`, which checks what is landed and repairs it, then "
                "`clipmart publish`."
            ) from error
        raise


def _begin_with(landing: Path | None, target: Path) -> None:
    """Let the target begin as a copy of the landing file.

    With a million clips that takes a tenth of a second; to copy their rows takes five.
    """
    if landing is None:
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
        counted = con.execute(f"SELECT COUNT(*) FROM {dotted(table)}") if is_table else None
        held[table] = (counted.fetchone() or (0,))[0] if counted else None
    return held


def refuse_other_contents(file: Path, expected: dict[str, int | None]) -> None:
    """Open a file that was just written, and compare it with what it should hold.

    Raises:
        BuildFailed: part of it is still in a log, or it holds something else.
    """
    if logs(file):
        raise BuildFailed(f"{file} was not written completely: a log is next to it. {KEPT}")
    with duckdb.connect() as con:
        con.execute(f"ATTACH {text(str(file))} AS written (READ_ONLY)")
        con.execute("USE written")
        held = contents(con)
    wrong = [
        table for table in {*expected, *held} if held.get(table, -1) != expected.get(table, -1)
    ]
    if wrong:
        raise BuildFailed(
            f"{file} does not hold what was written into it: {', '.join(sorted(wrong)[:5])}. "
            f"{KEPT} Check the disk, then run `clipmart publish`."
        )


def _check(target: Path, filled: dict[str, int | None], declared: dict[str, Relation]) -> None:
    absent = sorted(declared.keys() - filled.keys())
    if absent:
        raise BuildFailed(f"{target} lacks {', '.join(absent[:5])}. {KEPT} Report this as a bug.")
    refuse_other_contents(target, filled)


def _tidy(con: duckdb.DuckDBPyConnection, declared: dict[str, Relation]) -> None:
    """Make the landing tables what is declared: without dlt's schemas, tables, columns and marks,
    and with what is absent, empty."""
    landed = _landed_columns(con)
    expected = {
        table: relation.types
        for table, relation in declared.items()
        if table.partition(".")[0] in LANDING_SCHEMAS
    }
    rows = [f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in LANDING_SCHEMAS]
    for table, types in expected.items():
        refuse_other_types(table, landed.get(table, {}), types)
        if table not in landed:
            listed = ", ".join(f"{name(column)} {kind}" for column, kind in types.items())
            rows.append(f"CREATE TABLE {dotted(table)} ({listed})")
    columns = []
    for table, types in landed.items():
        rows.append(f"DELETE FROM {dotted(table)} WHERE {_no_data(table, types)}")
        alter = f"ALTER TABLE {dotted(table)}"
        columns += [f"{alter} DROP COLUMN {name(c)}" for c in types if c.startswith(PRIVATE)]
        columns += [
            f"{alter} ADD COLUMN {name(column)} {kind}"
            for column, kind in expected.get(table, {}).items()
            if column not in types
        ]
    _at_once(con, rows)  # DuckDB alters no table in a transaction that has deleted from it
    _at_once(con, [*columns, *_drop_dlts_own(con)])


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
        *(f"DROP SCHEMA {name(schema)} CASCADE" for schema in dropped),
        *(
            f"DROP TABLE {dotted(table)}"
            for (table,) in tables
            if table.split(".")[0] not in dropped
        ),
    ]


def _landed_columns(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Columns and their types of each landed `schema.table`, dlt's own tables left out."""
    landed: dict[str, dict[str, str]] = {}
    for table, column, kind in con.execute(
        f"""
        SELECT schema_name || '.' || table_name, column_name, data_type
        FROM duckdb_columns()
        WHERE schema_name IN {LANDING_SCHEMAS} AND NOT STARTS_WITH(table_name, '_dlt_')
        ORDER BY schema_name, table_name, column_index
        """  # nothing bound: the first parameter makes DuckDB import pandas
    ).fetchall():
        landed.setdefault(table, {})[column] = kind
    return landed


def refuse_other_types(table: str, landed: dict[str, str], expected: dict[str, str]) -> None:
    for column, kind in expected.items():
        if column in landed and duckdb.sqltype(landed[column]) != duckdb.sqltype(kind):
            raise BuildFailed(
                f"{table}.{column} is landed as {landed[column]}, but sql/external_models.yaml "
                f"declares {kind}. Nothing was published; what is landed is unchanged. "
                "Run `clipmart recover`, which repairs it, then `clipmart publish`."
            )


def _no_data(table: str, columns: dict[str, str]) -> str:
    """The condition under which a landed row is no data.

    dlt has marked it as removed, or a load cut short has left it without the row it belongs to.
    Any other row without its parent is a mistake of ours: the audits stop it.
    """
    conditions = ["FALSE"]
    if REMOVED in columns:
        conditions.append(f"{REMOVED} IS TRUE")
    if table in PARENTS and "_dlt_load_id" in columns:
        column, parent, key = PARENTS[table]
        loads = f"{table.partition('.')[0]}._dlt_loads"
        conditions.append(
            f"(_dlt_load_id NOT IN (SELECT load_id FROM {loads} WHERE status = 0)"
            f" AND {column} NOT IN (SELECT {key} FROM {parent}))"
        )
    return " OR ".join(conditions)


def landing_fingerprint(con: duckdb.DuckDBPyConnection) -> str:
    """What a build would be made from: the completed loads, and the code that builds.

    `con` stands in the landing file, or in an empty database where there is none.
    """
    loads = []
    for schema in LANDING_SCHEMAS:
        with suppress(duckdb.CatalogException):
            counted = con.execute(
                f"SELECT COUNT(*), MAX(load_id) FROM {schema}._dlt_loads WHERE status = 0"
            ).fetchone()
            loads.append(" ".join([schema, *map(str, counted or ())]))
    return "; ".join([*loads, f"clipmart {metadata.version('clipmart')}", f"sql {digest()}"])


def fewer_loads(built_from: str, before: str) -> list[str]:
    """The schemas of which a fingerprint counts fewer completed loads than an earlier one."""

    def counts(fingerprint: str) -> dict[str, int]:
        parts = [part.split() for part in fingerprint.split("; ")]
        return {part[0]: int(part[1]) for part in parts if len(part) == 3}

    now = counts(built_from)
    return [schema for schema, loads in counts(before).items() if now.get(schema, 0) < loads]


def write_publication(con: duckdb.DuckDBPyConnection, now: datetime, built_from: str) -> None:
    """The one row that says where what readers see comes from."""
    columns = ", ".join(f"{column} {kind}" for column, kind in PUBLICATION.types.items())
    con.execute(f"CREATE TABLE clipmart.publication ({columns})")
    con.execute(f"COMMENT ON TABLE clipmart.publication IS {text(PUBLICATION.description)}")
    for column, note in PUBLICATION.notes.items():
        con.execute(f"COMMENT ON COLUMN clipmart.publication.{column} IS {text(note)}")
    # Nothing bound: the first parameter makes DuckDB import pandas.
    row = f"TIMESTAMPTZ '{now.isoformat()}', {text(built_from)}"
    con.execute(f"INSERT INTO clipmart.publication VALUES ({row})")


def make(con: duckdb.DuckDBPyConnection, models: Iterable[Model]) -> None:
    """Make every model in the database that `con` stands in, then run all audits.

    Raises:
        AuditFailed: naming each audit that found rows.
        BuildFailed: a model or an audit cannot be executed.
    """
    found = []
    models = list(models)
    doing = "The schemas"
    try:
        for schema in dict.fromkeys(model.name.partition(".")[0] for model in models):
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {name(schema)}")
        for model in models:
            doing = f"The model {model.name}"
            con.execute(f"CREATE {model.kind} {dotted(model.name)} AS {model.query}")
        for model in models:
            for audit in model.audits:
                doing = f"The audit {audit.name} on {model.name}"
                (rows,) = con.execute(f"SELECT COUNT(*) FROM ({audit.rows})").fetchone() or (0,)
                if rows:
                    found.append(f"{audit.name} on {model.name} ({rows} row{'s' * (rows > 1)})")
    except duckdb.Error as error:
        raise BuildFailed(
            f"{doing} failed: {str(error).splitlines()[0]}. {KEPT} Run `clipmart publish` once "
            "this is mended."
        ) from error
    if found:
        raise AuditFailed(
            f"Audits found rows that should not be there: {', '.join(found)}. {KEPT} The audits "
            "are in sql/audits; look at the rows where they landed, with DuckDB, and report this "
            "as a bug."
        )


def _comment(con: duckdb.DuckDBPyConnection, declared: dict[str, Relation]) -> None:
    """Say in the file itself what every table, view and column means."""
    unknown = Relation({}, UNDOCUMENTED_TABLE, {})
    statements = []
    for table, kind, columns in con.execute(
        """
        SELECT
          tables.table_schema || '.' || tables.table_name,
          IF(ANY_VALUE(tables.table_type) = 'VIEW', 'VIEW', 'TABLE'),
          LIST(columns.column_name)
        FROM information_schema.tables AS tables
        INNER JOIN information_schema.columns AS columns
          USING (table_catalog, table_schema, table_name)
        WHERE table_catalog = current_database()
        GROUP BY tables.table_schema, tables.table_name
        """
    ).fetchall():
        relation = declared.get(table, unknown)
        statements.append(f"COMMENT ON {kind} {dotted(table)} IS {text(relation.description)}")
        for column in columns:
            note = relation.notes.get(column, UNDOCUMENTED_COLUMN)
            statements.append(f"COMMENT ON COLUMN {dotted(table)}.{name(column)} IS {text(note)}")
    _at_once(con, statements)


def _at_once(con: duckdb.DuckDBPyConnection, statements: list[str]) -> None:
    """Execute in one transaction: each of its own would be synced to disk."""
    con.execute(";".join(["BEGIN", *statements, "COMMIT"]))


def name(identifier: str) -> str:
    """Quote an identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def dotted(table: str) -> str:
    """Quote `schema.table`."""
    schema, _, table = table.partition(".")
    return f"{name(schema)}.{name(table)}"


def text(value: str) -> str:
    """Quote a text literal, for statements that take no parameters."""
    return "'" + value.replace("'", "''") + "'"


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
