"""Engines that execute the printed models: DuckDB, a PostgreSQL database, a Spark cluster."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import duckdb
import psycopg
from psycopg.rows import dict_row

from pipelines.warehouse.cluster import interactive
from pipelines.warehouse.dialects import Dialect
from tests.support.postgres import free_port
from tests.support.programs import needs

Row = dict[str, Any]


class Engine(Protocol):
    dialect: Dialect

    def run(self, script: str) -> None: ...
    def rows(self, sql: str) -> list[Row]: ...
    def load(self, table: str, columns: list[str], landing: duckdb.DuckDBPyConnection) -> None: ...


class Duckdb:
    dialect: Dialect = "duckdb"

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def run(self, script: str) -> None:
        self._con.execute(script)

    def rows(self, sql: str) -> list[Row]:
        cursor = self._con.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def load(self, table: str, columns: list[str], landing: duckdb.DuckDBPyConnection) -> None:
        rows = landing.execute(f"SELECT {', '.join(columns)} FROM {table}").to_arrow_table()
        self._con.register("landed", rows)
        self._con.execute(f"INSERT INTO {table} FROM landed")


class Postgres:
    dialect: Dialect = "postgres"

    def __init__(self, con: psycopg.Connection[Row]) -> None:
        self._con = con

    def run(self, script: str) -> None:
        self._con.execute(script.encode())

    def rows(self, sql: str) -> list[Row]:
        return self._con.execute(sql.encode()).fetchall()

    def load(self, table: str, columns: list[str], landing: duckdb.DuckDBPyConnection) -> None:
        listed = ", ".join(columns)
        with self._con.cursor().copy(f"COPY {table} ({listed}) FROM STDIN".encode()) as copy:
            for row in landing.execute(f"SELECT {listed} FROM {table}").fetchall():
                copy.write_row(row)


class Spark:
    dialect: Dialect = "spark"

    def __init__(self, session: Any, folder: Path) -> None:
        self._session, self._folder = session, folder

    def run(self, script: str) -> None:
        for statement in script.split(";\n"):
            if code := statement.removesuffix(";").strip():
                self._session.sql(code)

    def rows(self, sql: str) -> list[Row]:
        rows: list[Row] = self._session.sql(sql).toArrow().to_pylist()
        return rows

    def load(self, table: str, columns: list[str], landing: duckdb.DuckDBPyConnection) -> None:
        file = self._folder / f"{table}.parquet"
        listed = ", ".join(columns)
        landing.execute(f"COPY (SELECT {listed} FROM {table}) TO '{file}'")
        self.run(f"INSERT OVERWRITE TABLE {table} SELECT {listed} FROM parquet.`{file}`")


@contextmanager
def postgres_session(database: str, zone: str) -> Iterator[Postgres]:
    options = f"-c timezone={zone}"
    with psycopg.connect(database, autocommit=True, row_factory=dict_row, options=options) as con:
        yield Postgres(con)


@contextmanager
def sail_server(folder: Path, environ: dict[str, str] | None = None) -> Iterator[str]:
    """The address of Sail, which speaks Spark Connect, in one process."""
    with _sail(folder, environ or {}) as address:
        yield address


@contextmanager
def sail_cluster(folder: Path) -> Iterator[str]:
    """The address of Sail with two workers: half as much CPU again."""
    settings = {"MODE": "local-cluster", "CLUSTER__WORKER_INITIAL_COUNT": "2"}
    settings |= {"CLUSTER__WORKER_MAX_COUNT": "2", "CLUSTER__WORKER_TASK_SLOTS": "64"}
    settings["CLUSTER__TASK_MAX_ATTEMPTS"] = (
        "1"  # a second one reports another error than the first
    )
    with _sail(folder, {f"SAIL_{name}": value for name, value in settings.items()}) as address:
        yield address


@contextmanager
def _sail(folder: Path, environ: dict[str, str]) -> Iterator[str]:
    port = free_port()
    command = [Path(sys.executable).with_name("sail"), "spark", "server", "--port", port]
    with _served(command, port, folder, environ):
        yield f"sc://127.0.0.1:{port}"


@contextmanager
def spark_cluster(folder: Path) -> Iterator[str]:
    """The address of Apache Spark, its standalone master with two workers.

    `spark-submit` is in the package pyspark, which shares no environment with pyspark-client.
    """
    port = free_port()
    settings: dict[str, Any] = {
        "spark.connect.grpc.binding.port": port,
        "spark.sql.shuffle.partitions": 2,
    }
    settings |= {"spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1"}
    settings["spark.driver.host"] = "127.0.0.1"
    submit = needs("spark-submit")
    # It looks for its own installation with the first Python on PATH.
    environ = {"SPARK_LOCAL_IP": "127.0.0.1"}
    environ["PATH"] = f"{Path(submit).parent}{os.pathsep}{os.environ['PATH']}"
    command = [submit, "--master", "local-cluster[2,1,1024]"]
    command += [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    with _served([*command, "spark-internal"], port, folder, environ):
        yield f"sc://127.0.0.1:{port}"


@contextmanager
def _served(command: list[Any], port: int, folder: Path, environ: dict[str, str]) -> Iterator[None]:
    """A server that listens, and runs in a folder, where it writes its tables."""
    running = subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(2400):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield
    finally:
        running.terminate()
        running.wait(20)


@contextmanager
def spark_session(address: str, zone: str, folder: Path) -> Iterator[Spark]:
    """A session of Spark Connect, as soon as somebody listens there."""
    from pyspark.sql import SparkSession

    with interactive():
        session = SparkSession.builder.remote(address).create()
    try:
        session.conf.set("spark.sql.session.timeZone", zone)
        yield Spark(session, folder)
    finally:
        session.stop()


def difference(got: list[Row], expected: list[Row]) -> tuple[Any, Any] | None:
    """What one lot of rows has and the other has not."""
    if len(got) != len(expected):
        return len(got), len(expected)
    for mine, theirs in zip(got, expected, strict=True):
        if list(mine) != list(theirs):
            return list(mine), list(theirs)
        for column, value in theirs.items():
            if mine[column] != value and not nearly(mine[column], value):
                return {column: mine[column]} | mine, theirs
    return None


def nearly(got: Any, expected: Any) -> bool:
    numbers = isinstance(got, float) and isinstance(expected, float)
    return numbers and math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9)


def in_order(rows: list[Row]) -> list[Row]:
    """Sorted by all their values, instants in UTC; numbers count last and less exactly."""

    def key(row: Row) -> tuple[list[str], list[str]]:
        numbers = [f"{v:.6g}" for v in row.values() if isinstance(v, float)]
        return [repr(v) for v in row.values() if not isinstance(v, float)], numbers

    utc = [
        {c: v.astimezone(UTC) if isinstance(v, datetime) else v for c, v in row.items()}
        for row in rows
    ]
    return sorted(utc, key=key)
