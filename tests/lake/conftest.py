"""A private PostgreSQL and an S3 server on loopback, each started once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.forked_commands import ForkedCommands
from tests.support.lake import free_port, new_database, wait_for_postgres
from tests.support.programs import needs


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
        wait_for_postgres(port, running)
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
    from pipelines.landing.loader import Loader, tables_of
    from pipelines.landing.store import Landing
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


@pytest.fixture(scope="module")
def processes() -> Iterator[ForkedCommands]:
    with ForkedCommands(
        "dlt", "psycopg", "sqlalchemy", "pipelines.landing.lake_destination"
    ) as processes:
        yield processes
