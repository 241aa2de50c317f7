"""Build a warehouse file: landing tables taken over, SQL models planned and audited, all commented.

The file is new each time and SQLMesh's state lives in memory, so every number is fresh and a
failed build leaves only scrap. Importing SQLMesh takes a second: it happens on first use.
"""

from __future__ import annotations

import gc
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from sources.shared.errors import ClipmartError

SQL = Path(__file__).resolve().parent.parent / "sql"
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

_one_build = threading.Lock()  # it sets environment variables, which belong to the whole process


class BuildFailed(ClipmartError):
    """The models could not be built from what is landed."""


class AuditFailed(BuildFailed):
    """A blocking audit found rows that clipmart's own code should have kept out."""


@dataclass(frozen=True)
class Relation:
    """What is declared of one landing table or model."""

    types: dict[str, str]  # DuckDB types by column, in order
    description: str
    notes: dict[str, str]  # what each column means


def build(
    landing: Path | None,
    target: Path,
    *,
    work_dir: Path,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Make a new DuckDB file at `target` from the landing file.

    Without one every table stands empty.

    Args:
        work_dir: where SQLMesh's cache goes.
        ready: called when all is prepared; from its return on nobody may hold the landing file
            open to write.

    Raises:
        AuditFailed: a blocking audit found rows; `target` is removed.
        BuildFailed: a landing column has another type than declared, or a model failed;
            `target` is removed.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    remove_database(target)
    try:
        with _one_build, _no_gc(), _project(target, work_dir) as (context, failures):
            relations = _declared(context)
            ready()
            _begin_with(landing, target)
            con: duckdb.DuckDBPyConnection = context.engine_adapter.connection
            con.execute("SET TimeZone = 'UTC'")
            _tidy(con, relations)
            _plan(context, failures)
            _free_views_of_catalog(con)
            _comment(con, relations)
    except BaseException as error:
        remove_database(target)
        if isinstance(error, duckdb.Error):
            raise BuildFailed(
                f"{target} could not be built: {str(error).splitlines()[0]}. Nothing was "
                "published; what is landed is unchanged. Mend this, then `clipmart publish`."
            ) from error
        raise


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables for the time being; afterwards they stand as before."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _no_gc() -> Iterator[None]:
    """Spare the collector SQLMesh's many small trees: a fifth of a build."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _project(
    target: Path | None, work_dir: Path, prepare: Callable[[Any], None] | None = None
) -> Iterator[tuple[Any, list[Any]]]:
    """The SQLMesh project on the target file, and the list that its failures are gathered in.

    Without a file it stands in memory, where `prepare` attaches and chooses a database.
    """
    with _environment(
        CLIPMART_BUILD_FILE="" if target is None else str(target),
        CLIPMART_BUILD_CACHE=str(work_dir / "sqlmesh-cache"),
        CLIPMART_QUALIFY="false",
        MAX_FORK_WORKERS="1",  # forking a process that has threads is not safe
        SQLMESH__DISABLE_ANONYMIZED_ANALYTICS="true",
        SQLMESH_HOME=str(work_dir / "sqlmesh-home"),
    ):
        import_sqlmesh()
        from sqlmesh.core import constants
        from sqlmesh.core.console import NoopConsole, set_console
        from sqlmesh.core.context import Context
        from sqlmesh.core.loader import SqlMeshLoader

        # Both are read from the environment at import, which may have happened before.
        constants.SQLMESH_PATH = work_dir / "sqlmesh-home"
        constants.MAX_FORK_WORKERS = 1
        failures: list[Any] = []

        class Console(NoopConsole):
            def log_failed_models(self, errors: list[Any]) -> None:
                failures.extend(errors)

        class ModelsOnly(SqlMeshLoader):
            def load_model_tests(self) -> list[Any]:
                return []  # they test the code, not the data, and take a sixth of a build to read

        set_console(Console())
        context = Context(paths=[str(SQL)], loader=ModelsOnly, load=False)
        try:
            if prepare is not None:
                prepare(context.engine_adapter.cursor)
            context.load()
            yield context, failures
        finally:
            context.close()


def import_sqlmesh() -> None:
    """Import it with its usage statistics off, which it decides at import."""
    with (
        _environment(SQLMESH__DISABLE_ANONYMIZED_ANALYTICS="true"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # it is older than the pydantic that it runs on
        import sqlmesh.core.context  # noqa: F401 - the import is the point


def _declared(context: Any) -> dict[str, Relation]:
    """Every landing table and model of the project, by `schema.name`."""
    return {
        f"{model.fully_qualified_table.db}.{model.fully_qualified_table.name}": Relation(
            types={
                column: kind.sql(dialect="duckdb")
                for column, kind in (model.columns_to_types or {}).items()
            },
            description=model.description or "",
            notes=model.column_descriptions,
        )
        for model in context.models.values()
    }


def _begin_with(landing: Path | None, target: Path) -> None:
    """Let the target begin as a copy of the landing file.

    With a million clips that takes a tenth of a second; to copy their rows takes five.
    """
    for suffix in ("", ".wal"):  # a sync that was killed leaves a log beside it
        part = Path(f"{landing}{suffix}")
        if landing is not None and part.exists():
            shutil.copyfile(part, f"{target}{suffix}")


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
        _refuse_other_types(table, landed.get(table, {}), types)
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
        """
        SELECT schema_name || '.' || table_name, column_name, data_type
        FROM duckdb_columns()
        WHERE schema_name IN (SELECT UNNEST(?)) AND NOT STARTS_WITH(table_name, '_dlt_')
        ORDER BY schema_name, table_name, column_index
        """,
        [list(LANDING_SCHEMAS)],
    ).fetchall():
        landed.setdefault(table, {})[column] = kind
    return landed


def _refuse_other_types(table: str, landed: dict[str, str], expected: dict[str, str]) -> None:
    for column, kind in expected.items():
        if column in landed and duckdb.sqltype(landed[column]) != duckdb.sqltype(kind):
            raise BuildFailed(
                f"{table}.{column} is landed as {landed[column]}, but sql/external_models.yaml "
                f"declares {kind}. Nothing was published; what is landed is unchanged. "
                "Make the source's column hint and the declaration agree, then `clipmart publish`."
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


def _plan(context: Any, failures: list[Any]) -> None:
    """Make every model and run its audits.

    SQLMesh's own error says only that the plan failed; its console is told which audit.
    """
    from sqlmesh.utils.errors import NodeAuditsErrors, SQLMeshError

    try:
        context.plan(auto_apply=True, no_prompts=True, skip_tests=True, skip_linter=True)
    except SQLMeshError as error:
        causes = [failure.__cause__ or failure for failure in failures] or [error]
        audits = [
            f"{audit.audit_name} on {audit.model_name} ({audit.count} rows)"
            for cause in causes
            if isinstance(cause, NodeAuditsErrors)
            for audit in cause.errors
        ]
        kept = "Nothing was published: the published file, if any, is as it was; "
        if audits:
            raise AuditFailed(
                f"Audits found rows that should not be there: {', '.join(audits)}. {kept}"
                "what is landed is unchanged. The audits are in sql/audits; look at the rows "
                "with DuckDB in state/landing.duckdb, and report this as a bug."
            ) from error
        raise BuildFailed(
            f"The SQL models could not be built: {'; '.join(map(str, causes))}. {kept}"
            "what is landed is unchanged. Run `clipmart publish` once this is mended."
        ) from error


def _free_views_of_catalog(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the file's name from every view, which would bind it to that name for ever."""
    import sqlglot
    from sqlglot import exp

    for (statement,) in con.execute(
        "SELECT sql FROM duckdb_views() WHERE NOT internal AND database_name = current_database()"
    ).fetchall():
        view = sqlglot.parse_one(statement, dialect="duckdb")
        for table in view.find_all(exp.Table):
            table.set("catalog", None)
        view.set("replace", True)
        con.execute(view.sql(dialect="duckdb"))


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
    """Remove a DuckDB file and its log, where they are."""
    for path in (target, target.with_name(target.name + ".wal")):
        path.unlink(missing_ok=True)
