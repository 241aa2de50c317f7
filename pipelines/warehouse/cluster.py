"""The models on a cluster, over Spark Connect, from files of a lake and into files for it.

Everything but the files is of one session: its views hide nobody's tables, need no right to create
any, and are gone with it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.settings import Cluster
from sources.shared.errors import FixConfiguration, TryAgainLater

from .build import refuse_rows_of_audits
from .compiled import Project
from .dialects import one_name, spark_types, translated

RETRIES = 5
"""How often a request is repeated: for 17 seconds, where the client's default is ten minutes."""

NOTHING_PUBLISHED = (
    "Nothing was published; readers see what they saw, and what has landed stays. Once the cluster "
    "works, run `clipmart publish`, or leave it to the next sync."
)


@dataclass(frozen=True)
class LandedFiles:
    """A landing table at one snapshot: Parquet files, and which of their rows are data."""

    paths: tuple[str, ...]
    rows: int
    """How many are in the files."""
    data: str
    """A condition in DuckDB's SQL."""
    private: Mapping[str, str]
    """Columns that only the condition reads, and their types in Spark."""


def build(
    cluster: Cluster, sql: Project, landed: Mapping[str, LandedFiles], folder: str, now: datetime
) -> dict[str, str]:
    """Build all models, write those that are tables below a folder, and audit all.

    What is there already is overwritten, since the client may send a request twice.

    Args:
        landed: the landing tables, each after those that its condition reads.

    Returns:
        The folder of each table's files, by `schema.name`.

    Raises:
        AuditFailed: naming each audit that returned rows.
        TryAgainLater: the cluster is away, or failed.
        FixConfiguration: the extra is not installed.
    """
    with warnings.catch_warnings(), _session(cluster) as session:
        declared = {table.name: spark_types(table) for table in sql.landing}
        for table, files in landed.items():
            _see_landed(session, table, declared[table], files)
        _refuse_fewer_rows(cluster, session, landed)
        written = {}
        for model in sql.models:
            query = model.create.partition(" AS\n")[2].rstrip(";")
            rows = session.sql(translated(query, "spark", now, in_schemas=False))
            if not model.is_view:
                written[model.name] = path = f"{folder}/{model.name}"
                # Readers of a lake would take the marker for one of their files.
                no_marker = {"mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}
                rows.write.mode("overwrite").options(**no_marker).parquet(path)
                rows = _parquet(session, spark_types(model), path)
            rows.createOrReplaceTempView(one_name(model.name))
        _audit(session, sql, now)
        return written


def _see_landed(session: Any, name: str, types: Mapping[str, str], landed: LandedFiles) -> None:
    if not landed.paths:
        nulls = ", ".join(f"CAST(NULL AS {kind}) AS `{column}`" for column, kind in types.items())
        rows = session.sql(f"SELECT {nulls} WHERE FALSE")
    else:
        files = _parquet(session, {**types, **landed.private}, *landed.paths)
        files.createOrReplaceTempView(one_name(_of_files(name)))
        query = f"SELECT {', '.join(types)} FROM {_of_files(name)} WHERE {landed.data}"
        rows = session.sql(translated(query, "spark", in_schemas=False))
    rows.createOrReplaceTempView(one_name(name))


def _of_files(table: str) -> str:
    return f"{table}_files"


def _refuse_fewer_rows(cluster: Cluster, session: Any, landed: Mapping[str, LandedFiles]) -> None:
    """Compare what the cluster reads with what the lake holds: some engines pass over a file.

    Raises:
        TryAgainLater: it reads more or fewer rows.
    """
    with_rows = {table: files.rows for table, files in landed.items() if files.paths}
    counts = (
        f"SELECT '{table}' AS name, COUNT(*) AS n FROM {one_name(_of_files(table))}"
        for table in with_rows
    )
    for row in _rows(session, counts) if with_rows else ():
        if row["n"] != with_rows[row["name"]]:
            raise TryAgainLater(
                f"The cluster at {cluster} reads {row['n']} rows of {row['name']}, of which the "
                f"lake holds {with_rows[row['name']]}. {NOTHING_PUBLISHED}"
            )


def _rows(session: Any, queries: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of several queries, executed as one."""
    rows: list[dict[str, Any]] = session.sql("\nUNION ALL\n".join(queries)).toArrow().to_pylist()
    return rows


def _parquet(session: Any, types: Mapping[str, str], *paths: str) -> Any:
    """Rows of files; a column that one of them lacks is NULL."""
    columns = ", ".join(f"`{name}` {kind}" for name, kind in types.items())
    return session.read.schema(columns).parquet(*paths)


def _audit(session: Any, sql: Project, now: datetime) -> None:
    """Run all audits, in one query.

    Raises:
        AuditFailed: naming each that returned rows.
    """
    audits = [(model, audit) for model in sql.models for audit in model.audits]
    counts = (
        f"SELECT {number} AS audit, COUNT(*) AS errors "
        f"FROM ({translated(audit.query, 'spark', now, in_schemas=False)}) AS audited"
        for number, (_, audit) in enumerate(audits)
    )
    errors = {row["audit"]: row["errors"] for row in _rows(session, counts)}
    refuse_rows_of_audits(
        {
            f"{audit.name} on {model.name}": errors[number]
            for number, (model, audit) in enumerate(audits)
        }
    )


@contextmanager
def _session(cluster: Cluster) -> Iterator[Any]:
    """A session of the cluster, in UTC.

    Raises:
        TryAgainLater: the cluster is away, or fails in the caller's block.
        FixConfiguration: the extra is not installed.
    """
    try:
        with interactive():
            from pyspark.errors import PySparkException
            from pyspark.sql.connect.client.retries import DefaultPolicy
            from pyspark.sql.connect.session import SparkSession
    except ImportError as error:
        raise FixConfiguration(
            f"CLIPMART_ENGINE needs {error.name}, which is not installed. Nothing was published. "
            "Install the extra: `pip install 'clipmart[spark]'`."
        ) from error
    session = None
    try:
        # Beside its errors it warns of retries.
        warnings.filterwarnings("ignore", module=r"pyspark\.")
        session = SparkSession.builder.remote(cluster.url).create()
        session.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES)])
        session.conf.set("spark.sql.session.timeZone", "UTC")
        session.conf.set("spark.sql.ansi.enabled", "true")
        # The default, INT96, is a type that a lake does not take.
        session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        yield session
    except PySparkException as error:
        reason = cluster.redacted(" ".join(str(error).split()))[:300]
        raise TryAgainLater(
            f"The cluster at {cluster} failed ({reason}). {NOTHING_PUBLISHED}"
        ) from error
    finally:
        if session is not None:
            session.stop()


@contextmanager
def interactive() -> Iterator[None]:
    """Import pyspark as an interactive Python does.

    A process without a main file, such as `python -c`, is taken for its doctests and ended.
    """
    if hasattr(sys, "ps1"):
        yield
        return
    sys.ps1 = ""
    try:
        yield
    finally:
        del sys.ps1
