"""A private PostgreSQL and an S3 server on loopback, each started once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.settings import load_settings
from pipelines.warehouse.read import open_published
from sandbox import Sandbox
from tests.conftest import NOW, Clipmart, Outcome, needs
from tests.demo.demo_run import DemoRun, clean_environment, shared_run

# As the contract lists them.
REPORTS = (
    *("moment_types", "shareability", "video_readiness", "credit_usage", "top_clips"),
    *("shareability_weekly", "video_readiness_by_platform", "video_quota", "job_turnaround"),
    "freshness",
)


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """The suite's one demo."""
    folder = tmp_path_factory.getbasetemp()
    return shared_run(folder.parent if folder.name.startswith("popen-") else folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server, without a database's name."""
    initdb, server = needs("initdb"), needs("postgres")
    # It refuses to run as root, and pytest's own folders are closed to others.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="clipmart-postgres-"))
    if user:
        shutil.chown(folder, user)
    port = free_port()
    subprocess.run(
        [initdb, "-D", folder / "db", "-U", "clipmart", "-A", "trust", "--no-sync", "-E", "UTF8"],
        user=user,
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    options = {"fsync": "off", "listen_addresses": "127.0.0.1", "unix_socket_directories": folder}
    running = subprocess.Popen(
        [server, "-D", folder / "db", "-p", str(port)]
        + [word for name, value in options.items() for word in ("-c", f"{name}={value}")],
        user=user,
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, running)
        yield f"postgresql://clipmart@127.0.0.1:{port}"
    finally:
        running.send_signal(signal.SIGINT)  # not waiting for those who are still connected
        running.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(postgres: str) -> str:
    """The address of an empty database."""
    return new_database(postgres)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 server that has the bucket `clips`."""
    import httpx

    port = free_port()
    running = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(400):
            with suppress(httpx.TransportError):
                httpx.put(f"{url}/clips")
                break
            time.sleep(0.05)
        yield url
    finally:
        running.terminate()
        running.wait(20)


@pytest.fixture(scope="session")
def empty_lake(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a landing lake of empty tables, which have no files: made once, copied."""
    from pipelines.landing.loader import Loader
    from pipelines.landing.store import Landing
    from pipelines.landing.tables import tables_of
    from pipelines.settings import Address, Lake

    database = new_database(postgres)
    folder = tmp_path_factory.mktemp("lake")
    lake = Lake(Address(database, "CLIPMART_LAKE_CATALOG"), str(folder / "files"))
    Landing(lake).close()
    loader = Loader(lake, folder / "dlt")
    for schema in ("clipmart", "klipit", "clipus"):
        loader.load(schema, {table: [] for table in tables_of(schema)})
    assert not list((folder / "files").rglob("*.parquet"))
    return database


class Processes:
    """Starts commands of machines as processes of their own; see `forking`."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.lake.forking"],
            cwd=Path(__file__).parents[2],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started = 0

    def start(self, machine: Clipmart, *arguments: str) -> tuple[int, str]:
        """The process's number, and where it tells (without .out and .err)."""
        self._started += 1
        told = str(machine.folder / f"told-{self._started}")
        asked = {"folder": str(machine.folder), "environ": machine.environ, "told": told}
        return self._ask({**asked, "arguments": arguments}), told

    def wait(self, started: tuple[int, str]) -> Outcome:
        number, told = started
        code = self._ask({"wait": number})
        return Outcome(code, Path(f"{told}.out").read_text(), Path(f"{told}.err").read_text())

    def _ask(self, what: dict[str, Any]) -> int:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(what) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self) -> None:
        self._server.communicate(timeout=60)


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    made = Processes()
    yield made
    made.close()


@dataclass
class Shared:
    """What machines share: the settings that name it."""

    environ: dict[str, str]

    def machine(self, folder: Path, sandbox: Sandbox) -> Clipmart:
        """The command line of one of the machines, with a data folder of its own."""
        folder.mkdir()
        keys = {
            "KLIPIT_BASE_URL": sandbox.klipit_url,
            "CLIPUS_BASE_URL": sandbox.clipus_url,
            "KLIPIT_API_KEY": "klipit_sk_sandbox",
            "CLIPUS_API_KEY": "sk_live_sandbox",
            "CLIPMART_MINUTE_SECONDS": str(sandbox.limits.minute_seconds),
            "CLIPMART_NOW": NOW,
        }
        return Clipmart(folder, keys | self.environ)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of what readers see in the lake."""
        with open_published(load_settings(self.environ)) as con:
            return con.execute(sql).fetchall()


def shared_lake(empty_lake: str, files: str, **more: str) -> Shared:
    """A copy of the empty lake, whose files will lie elsewhere."""
    import psycopg

    database = new_database(empty_lake.rpartition("/")[0], like=empty_lake.rpartition("/")[2])
    with psycopg.connect(database, autocommit=True) as con:
        con.execute(
            "UPDATE clipmart_landing.ducklake_metadata SET value = %s WHERE key = 'data_path'",
            (f"{files}/landing/",),
        )
    return Shared(
        {
            "CLIPMART_DESTINATION": "ducklake",
            "CLIPMART_LAKE_CATALOG": database,
            "CLIPMART_LAKE_FILES": files,
            "CLIPMART_NOW": NOW,
            **more,
        }
    )


def new_database(postgres: str, like: str = "template1") -> str:
    import psycopg

    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{postgres}/postgres", autocommit=True) as con:
        con.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    return f"{postgres}/{name}"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    for _ in range(200):
        try:
            psycopg.connect(f"postgresql://clipmart@127.0.0.1:{port}/postgres").close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, "PostgreSQL did not start"
            time.sleep(0.05)
    raise AssertionError("PostgreSQL did not start within 10 s")
