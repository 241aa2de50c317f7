"""A DuckLake in the place of DuckDB files: catalog in PostgreSQL, files in a folder or on S3.

Two lakes share the catalog's database: `landing`, which dlt fills, and `lake`, which readers open.
What is published of a landing table is a view of it as it stood at one snapshot, so that nothing is
copied. One transaction replaces all of it: the models are built and audited inside, and a reader
meanwhile goes on in the lake as it was.

DuckDB's extensions come from packages (the extra `lake`); nothing is downloaded.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import duckdb

from pipelines.service import LANDING_SCHEMAS
from pipelines.settings import Address, Lake, Settings
from sources.shared.drift import PRIVATE
from sources.shared.errors import ClipmartError, FixConfiguration, TryAgainLater

from . import cluster, cluster_files
from .build import (
    PUBLICATION,
    UNCHANGED,
    fewer_loads,
    landing_fingerprint,
    make_models,
    remove_database,
    same_code,
    write_publication,
)
from .catalog import (
    PARENTS,
    declared_types,
    landed_types,
    literal,
    no_data,
    qualified,
    quoted,
    refuse_other_types,
)
from .compiled import Project
from .compiler import project
from .errors import BuildFailed, LandingLacksIds

EXTENSIONS = ("postgres_scanner", "httpfs", "ducklake")
CATALOGS = {"landing": "clipmart_landing", "lake": "clipmart_lake"}
"""Database name → schema of PostgreSQL that holds its catalog."""
_CATALOG_KEY = "lake_catalog"
"""The secret's name. DuckDB lists what it holds, except the password."""
READERS_SCHEMAS = (*LANDING_SCHEMAS, "staging", "reports")
_ROWS = "; rows "
"""Between what the lake was built from and the digests of the models' rows."""
KEEP_DAYS = 7
"""How long a reader may go on in a lake as it was; then files that nobody sees are removed."""


class NoLake(FixConfiguration):
    """Readers came before the first sync."""


def open_lake(lake: Lake, *, landing: bool, now: datetime | None = None) -> Any:
    """A private DuckDB in the landing lake to write, or in the readers' to read.

    The readers' views look into the landing lake, so both are attached, read-only, and as the role
    that may only read, if there is one.

    Raises:
        FixConfiguration: the catalog or the files cannot be used, or the extra is not installed.
        TryAgainLater: the catalog's server cannot be reached.
        NoLake: there is none yet (to readers only).
    """
    address = lake.catalog if landing else lake.reader or lake.catalog
    con = new_connection(lake, address)
    try:
        if landing:
            attach(con, lake, "landing")
        else:
            attach(con, lake, "landing", read_only=True)
            attach(con, lake, "lake", read_only=True)
        con.execute(f"USE {'landing' if landing else 'lake'}")
        con.execute("SET TimeZone = 'UTC'")
        if now is not None:
            con.execute(f"SET VARIABLE clipmart_now = TIMESTAMPTZ '{now.isoformat()}'")
    except BaseException:
        con.close()
        raise
    return con


def new_connection(lake: Lake, address: Address | None = None) -> duckdb.DuckDBPyConnection:
    """A private DuckDB that has the extensions, and the keys of catalog and files as secrets.

    How a database is attached is listed by DuckDB, password and all; a secret's password is not.

    Args:
        address: the catalog's, if it is not the one to write.
    """
    con = duckdb.connect(config={"allow_unsigned_extensions": str(_checked_once()).lower()})
    for extension in extension_files():
        con.execute(f"LOAD {literal(extension)}")
    # For good: DuckDB lets nobody allow them again while the connection lives.
    con.execute("SET allow_unsigned_extensions = false")
    con.execute("SET autoinstall_known_extensions = false")
    # It adds two transactions to each statement. A lost connection fails the statement either way.
    con.execute("SET pg_pool_health_check_query = ''")
    con.execute(f"CREATE SECRET {_CATALOG_KEY} ({_catalog_secret(address or lake.catalog)})")
    if lake.on_s3:
        con.execute(f"CREATE SECRET lake_files ({_secret(lake)})")
    return con


@cache
def _checked_once() -> bool:
    """Have DuckDB check the extensions' signatures: a tenth of a second, paid once a process.

    Raises:
        FixConfiguration: a file is not as DuckDB signed it.
    """
    with duckdb.connect() as con:
        for extension in extension_files():
            try:
                con.execute(f"LOAD {literal(extension)}")
            except duckdb.Error as error:
                raise FixConfiguration(
                    f"{extension} cannot be loaded: {str(error).splitlines()[0]}. Nothing was "
                    "done. Install the extra again: `pip install --force-reinstall "
                    "'clipmart[lake]'`."
                ) from error
    return True


def attach(con: Any, lake: Lake, database: str, *, read_only: bool = False) -> None:
    """Attach one of the two lakes; to write, it is created if it is absent."""
    try:
        con.execute(attach_statement(lake, database, read_only=read_only))
    except duckdb.Error as error:
        if "creating a new DuckLake is explicitly disabled" in str(error):
            raise NoLake(f"There is no lake at {lake.catalog} yet. Run `clipmart sync`.") from error
        raise unusable(lake, error) from error


def attach_statement(lake: Lake, database: str, *, read_only: bool = False) -> str:
    """The ATTACH of a connection that has the secret; it names neither server nor user."""
    options = [f"METADATA_SCHEMA '{CATALOGS[database]}'", f"META_SECRET '{_CATALOG_KEY}'"]
    options.append(
        "READ_ONLY" if read_only else f"DATA_PATH {literal(f'{lake.files}/{database}/')}"
    )
    if database == "lake":
        # Rows in the catalog stay there when they are replaced; a file goes as a whole.
        options.append("DATA_INLINING_ROW_LIMIT 0")
    address = lake.reader if read_only and lake.reader else lake.catalog
    place = literal(f"ducklake:postgres:{_connection_options(address)}")
    return f"ATTACH IF NOT EXISTS {place} AS {database} ({', '.join(options)})"


@cache
def extension_files() -> tuple[str, ...]:
    """The extensions' files in their packages.

    Raises:
        FixConfiguration: the extra is not installed, or is not of this DuckDB's version.
    """
    files = []
    for extension in EXTENSIONS:
        try:
            package = Path(str(importlib.import_module(f"duckdb_extension_{extension}").__file__))
        except ImportError as error:
            raise FixConfiguration(
                f"CLIPMART_DESTINATION=ducklake needs {error.name}, which is not installed. "
                "Nothing was done. Install the extra: `pip install 'clipmart[lake]'`."
            ) from error
        folder = package.parent / "extensions" / f"v{duckdb.__version__}"
        file = folder / f"{extension}.duckdb_extension"
        if not file.exists():
            raise FixConfiguration(
                f"{package.parent} holds no extension for DuckDB {duckdb.__version__}. Nothing was "
                "done. Install the extra again: `pip install 'clipmart[lake]'`."
            )
        files.append(str(file))
    return tuple(files)


def publish(
    settings: Settings,
    lake: Lake,
    alone: Callable[[str], AbstractContextManager[None]],
    *,
    if_changed: bool = False,
) -> bool:
    """Build what readers see from what has landed, audits first, and switch to it at once.

    The models are built in a file of this machine, which reads every landing table once, or by a
    cluster, whose files the lake takes. Killed at any point, readers see the old or the new.

    Args:
        alone: gives the ledger's locks; nobody loads while the snapshot is chosen. That nobody
            else publishes is the caller's to see to.
        if_changed: do nothing if another machine has published what has landed.

    Returns:
        Whether it was published.

    Raises:
        BuildFailed, AuditFailed: readers see what they saw.
        TryAgainLater: likewise; a server or the cluster is away, or the cluster failed.
        LandingLacksIds: the landing lake was begun again since, or is an older copy; readers see
            what they saw.
    """
    settings.build_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    sql = project(settings.build_dir)
    for left in settings.build_dir.glob("models-*.duckdb"):  # by a publish that was killed
        remove_database(left)
    # A name of its own: a connection that lost its server may hold the last one's for a while.
    build = settings.build_dir / f"models-{uuid4().hex}.duckdb"
    folder = f"{lake.files}/lake/{cluster_files.FOLDER}/{uuid4()}"
    con = new_connection(lake)
    try:
        attach(con, lake, "landing", read_only=settings.cluster is None)
        attach(con, lake, "lake")
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"SET VARIABLE clipmart_now = TIMESTAMPTZ '{settings.now().isoformat()}'")
        con.execute(f"ATTACH {literal(str(build))} AS build")
        with alone("landing"):
            if settings.cluster is not None:
                cluster_files.make_plain(con)
            con.execute("USE landing")
            con.execute("BEGIN")
            built_from = landing_fingerprint(con)
            before, rows_before = _publication(con)
            if if_changed and built_from == before:
                return False
            _refuse_to_lose(lake, built_from, before)
            landing = _landing_at(con, sql)
            if settings.cluster is not None:
                landed = cluster_files.landed(con, sql, folder)
            con.execute("COMMIT")
        files = {}
        if settings.cluster is not None:
            place = cluster_files.location(folder)
            built = cluster.build(settings.cluster, sql, landed, place, settings.now())
            files = cluster_files.written(con, built)
        _build_models(con, sql, landing, with_rows=settings.cluster is None)
        con.execute("USE lake")
        con.execute("BEGIN")
        keep = same_code(built_from, before)
        rows = _switch(con, sql, landing, rows_before if keep else None, files)
        write_publication(con, settings.now(), f"{built_from}{_ROWS}{json.dumps(rows)}")
        con.execute("COMMIT")
        return True
    except (duckdb.Error, BuildFailed) as error:
        raise _not_built(lake, error) from error
    finally:
        with suppress(duckdb.Error):
            # Without it, to close if the server is gone would abort the process.
            con.execute("ROLLBACK")
        con.close()
        remove_database(build)


def published_from(lake: Lake) -> str | None:
    """What readers' lake was built from; None if nothing is published or it cannot be read."""
    con = new_connection(lake)
    try:
        attach(con, lake, "lake", read_only=True)
        return _publication(con)[0] or None
    except (duckdb.Error, ClipmartError):
        return None
    finally:
        con.close()


def _publication(con: Any) -> tuple[str, dict[str, str]]:
    """What readers' lake was built from, and a digest of each model's rows; empty without one."""
    try:
        row = con.execute("SELECT built_from FROM lake.clipmart.publication").fetchone()
    except duckdb.CatalogException:
        row = None
    built_from, _, rows = (row[0] if row else "").partition(_ROWS)
    return built_from, json.loads(rows or "{}")


def _refuse_to_lose(lake: Lake, built_from: str, before: str) -> None:
    """Compare completed loads, whose number never falls: ids would take reading the files."""
    if schemas := fewer_loads(built_from, before):
        raise LandingLacksIds(
            f"The landing lake at {lake.catalog} holds fewer loads than what readers see was built "
            f"from ({', '.join(schemas)}). Nothing was published; readers see what they saw. "
            "Restore the catalog as docs/lake.md says, then run `clipmart publish`."
        )


def _build_models(
    con: Any, sql: Project, landing: Mapping[str, str], *, with_rows: bool = True
) -> None:
    """Build and audit the models in the attached file `build`, from queries of landing tables.

    Args:
        with_rows: otherwise of nothing, for the tables' columns and comments.
    """
    con.execute("USE build")
    con.execute("BEGIN")
    for schema in LANDING_SCHEMAS:
        con.execute(f"CREATE SCHEMA {quoted(schema)}")
    for table, query in landing.items():
        con.execute(f"CREATE TABLE {qualified(table)} AS {query}{'' if with_rows else ' LIMIT 0'}")
    make_models(con, sql)
    con.execute("COMMIT")


def _switch(
    con: Any,
    sql: Project,
    landing: Mapping[str, str],
    before: Mapping[str, str] | None,
    files: Mapping[str, list[str]],
) -> dict[str, str]:
    """Show readers the landing tables as the queries have them, and the models that were built.

    A model's table stays, and its rows are replaced if they differ: a table that is dropped leaves
    its columns and a table of its own in the catalog until its snapshots expire.

    Args:
        before: the digest of each table's rows; None creates all models again.
        files: the rows of tables that a cluster has written.

    Returns:
        The digests now.
    """
    rows: dict[str, str] = {}
    if before is None:
        for schema in READERS_SCHEMAS:
            con.execute(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")
            con.execute(f"CREATE SCHEMA {quoted(schema)}")
        con.execute(PUBLICATION)
    for table, query in landing.items():
        con.execute(f"CREATE OR REPLACE VIEW {qualified(table)} AS {query}")
    for declared in sql.landing:
        # A lake takes no comments on a view's columns.
        con.execute(declared.comments[0].replace("COMMENT ON TABLE", "COMMENT ON VIEW", 1))
    for model in sql.models:
        place = qualified(model.name)
        if model.is_view:
            if before is None:
                con.execute(model.create)
                con.execute("".join(model.comments[:1]))
            continue
        written = files.get(model.name, [])
        source = f"read_parquet({written})" if written else f"build.{place}"
        (rows[model.name],) = con.execute(
            f"SELECT concat_ws(' ', count(*), sum(hash(model))) FROM {source} AS model"
        ).fetchone()
        if before is None:
            con.execute(f"CREATE TABLE {place} AS FROM build.{place}")
            con.execute("".join(model.comments))
        elif before.get(model.name) != rows[model.name]:
            con.execute(f"DELETE FROM {place}")
            con.execute(f"INSERT INTO {place} FROM build.{place}")
        else:
            continue
        cluster_files.add(con, model.name, written)
    return rows


def _not_built(lake: Lake, error: Exception) -> ClipmartError:
    reason = redacted(lake, str(error))
    cause = error.__cause__ or error
    if isinstance(cause, duckdb.Error) and is_away(cause):
        return unusable(lake, cause)
    if isinstance(error, BuildFailed):
        return type(error)(reason)
    return BuildFailed(
        f"The lake could not be built: {reason.splitlines()[0]}. {UNCHANGED} Fix this, then run "
        "`clipmart publish`."
    )


def tidy(lake: Lake) -> None:
    """Forget how the lakes stood some days ago, and remove the files that only that needed.

    While nobody loads. The snapshot that readers' views look at stays, however old it is.
    """
    con = open_lake(lake, landing=True)
    try:
        attach(con, lake, "lake")
        for database in CATALOGS:
            con.execute(f"CALL ducklake_flush_inlined_data('{database}')")
            # What replaced rows leave in a file; one that has any is not merged.
            con.execute(f"CALL ducklake_rewrite_data_files('{database}', delete_threshold => 0.1)")
            con.execute(f"CALL ducklake_merge_adjacent_files('{database}')")
            (old,) = con.execute(
                f"""SELECT list(snapshot_id) FROM {database}.snapshots()
                    WHERE snapshot_time < now() - INTERVAL {KEEP_DAYS} DAY
                      AND snapshot_id < (SELECT max(snapshot_id) FROM {database}.snapshots())
                      AND ('{database}' <> 'landing' OR snapshot_id NOT IN (
                        SELECT regexp_extract(sql, 'VERSION => (\\d+)', 1)::BIGINT
                        FROM duckdb_views()
                        WHERE database_name = 'lake' AND contains(sql, 'VERSION =>')))"""
            ).fetchone()
            if old:
                con.execute(f"CALL ducklake_expire_snapshots('{database}', versions => {old})")
            con.execute(
                f"""CALL ducklake_cleanup_old_files(
                      '{database}', older_than => now() - INTERVAL {KEEP_DAYS} DAY)"""
            )
        # Those of a cluster whose build was not published.
        con.execute(
            f"""CALL ducklake_delete_orphaned_files(
                  'lake', older_than => now() - INTERVAL {KEEP_DAYS} DAY)"""
        )
    except duckdb.Error as error:
        if is_away(error):
            raise unusable(lake, error) from error
        raise BuildFailed(
            f"The lake is published, but could not be tidied: {redacted(lake, str(error))[:300]}. "
            "It grows until that is fixed; the next `clipmart publish` tries again."
        ) from error
    finally:
        con.close()


def copy_landing(lake: Lake, file: Path) -> None:
    """Copy the landing lake into a DuckDB file, as a landing store of one machine."""
    con = open_lake(lake, landing=True)
    try:
        con.execute(f"ATTACH {literal(str(file))} AS copy")
        con.execute("BEGIN")
        for schema, table in con.execute(
            """SELECT schema_name, table_name FROM duckdb_tables()
               WHERE database_name = 'landing' AND NOT ends_with(schema_name, '_staging')"""
        ).fetchall():
            place = qualified(f"{schema}.{table}")
            con.execute(f"CREATE SCHEMA IF NOT EXISTS copy.{quoted(schema)}")
            con.execute(f"CREATE TABLE copy.{place} AS FROM landing.{place}")
        con.execute("COMMIT")
    finally:
        con.close()


def _landing_at(con: Any, sql: Project) -> dict[str, str]:
    """The landing tables as queries of the latest snapshot, without dlt's part, by `schema.table`.

    The current database is the landing lake. Parents come before their children.
    """
    (snapshot,) = con.execute("SELECT max(snapshot_id) FROM landing.snapshots()").fetchone()
    landed, declared = landed_types(con), declared_types(sql)
    refuse_other_types(landed, declared)
    queries = {}
    # Parents first: the view of a child may look into its parent's.
    for table in sorted(landed | declared, key=lambda table: (table in PARENTS, table)):
        columns = landed.get(table, {})
        own = {c: kind for c, kind in columns.items() if not c.startswith(PRIVATE)}
        listed = ", ".join(
            f"{quoted(c)}::{kind} AS {quoted(c)}" if c in own else f"NULL::{kind} AS {quoted(c)}"
            for c, kind in (declared.get(table, {}) | own).items()
        )
        rows = "WHERE FALSE"
        if columns:
            rows = (
                f"FROM landing.{qualified(table)} AT (VERSION => {snapshot}) "
                f"WHERE ({no_data(con, table, columns)}) IS NOT TRUE"
            )
        queries[table] = f"SELECT {listed} {rows}"
    return queries


_IN_SECRET = {"host": "HOST", "port": "PORT", "dbname": "DATABASE", "user": "USER"} | {
    "password": "PASSWORD"
}
"""Of libpq's parameters, those that DuckDB's secret takes."""


def _catalog_secret(address: Address) -> str:
    parts = urlsplit(address.url)
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}").strip("[]")
    parameters = {
        "host": unquote(host),
        "port": str(parts.port or ""),
        "dbname": unquote(parts.path.lstrip("/")),
        "user": address.user,
        "password": address.password,
    } | {name: value for name, value in address.options.items() if name in _IN_SECRET}
    return ", ".join(
        [
            "TYPE postgres",
            *(f"{_IN_SECRET[name]} {literal(v)}" for name, v in parameters.items() if v),
        ]
    )


def _connection_options(address: Address) -> str:
    """The rest of an address as libpq writes it, such as sslmode='require'."""
    return " ".join(
        f"{name}='{value.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'"
        for name, value in address.options.items()
        if name not in _IN_SECRET
    )


def _secret(lake: Lake) -> str:
    endpoint = urlsplit(lake.s3_endpoint or "")
    options = {
        "TYPE": "s3",
        "SCOPE": literal(lake.files),
        "KEY_ID": literal(lake.s3_key_id or ""),
        "SECRET": literal(lake.s3_secret or ""),
        "REGION": literal(lake.s3_region),
    }
    if lake.s3_session_token:
        options["SESSION_TOKEN"] = literal(lake.s3_session_token)
    if lake.s3_endpoint:
        options["ENDPOINT"] = literal(endpoint.netloc)
        options["URL_STYLE"] = "'path'"
        options["USE_SSL"] = str(endpoint.scheme != "http").lower()
    return ", ".join(f"{option} {value}" for option, value in options.items())


def redacted(lake: Lake, message: str) -> str:
    """What DuckDB or dlt said, without the passwords that they may repeat."""
    for address in (lake.catalog, lake.reader):
        if address is not None:
            raw = urlsplit(address.url).password
            for secret in (address.url, raw, address.password):
                message = message.replace(secret, "…") if secret else message
    for secret in (lake.s3_secret, lake.s3_session_token):
        message = message.replace(secret, "…") if secret else message
    return message


def redacted_answer(lake: Lake, rows: str) -> str:
    """Rows of an answer without addresses of the lake; a word that equals its password stays."""
    for address in (lake.catalog, lake.reader):
        for word in {urlsplit(address.url).password, address.password} if address else ():
            if word:
                for form in (f":{word}@", f"password={word}", f"password='{word}'"):
                    rows = rows.replace(form, form.replace(word, "…"))
    for secret in (lake.s3_secret, lake.s3_session_token):
        rows = rows.replace(secret, "…") if secret else rows
    return rows


_AWAY = re.compile(
    # libpq and PostgreSQL, then httpfs
    r"onnection (refused|reset|timed out)|timeout|closed|terminat|starting up|shutting down"
    r"|no connection to the server|could not (connect|receive|send)|server is not accepting"
    r"|[Cc]ould not (establish|resolve)|HTTP code (429|5\d\d)|\b(HTTP|Unable).* (500|502|503|504)\b"
    r"|[Uu]nable to connect|Connection error",
    re.I,
)


def is_away(error: BaseException | str) -> bool:
    """Whether the catalog's or the files' server could not be reached or did not go on."""
    return _AWAY.search(str(error)) is not None


def unusable(lake: Lake, error: BaseException) -> ClipmartError:
    """The error to raise if DuckDB cannot open a lake, or cannot go on with it."""
    text = redacted(lake, " ".join(str(error).split()))
    reason = text[-300:]
    problem = f"The lake at {lake.catalog} cannot be used ({reason}). What it held stays."
    if is_away(text):
        return TryAgainLater(f"{problem} Once its server answers, run the command again.")
    return FixConfiguration(
        f"{problem} Correct {lake.catalog.variable}, CLIPMART_LAKE_FILES or the rights there."
    )
