"""An S3 server on loopback, and a lake of empty tables; each created once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.forked_commands import ForkedCommands
from tests.support.postgres import free_port, new_database


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
    """A database with a landing lake of empty tables, which have no files: created once, copied."""
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
    loader.close()
    assert not list((folder / "files").rglob("*.parquet"))
    return database


@pytest.fixture(scope="module")
def processes() -> Iterator[ForkedCommands]:
    with ForkedCommands(
        "dlt", "psycopg", "sqlalchemy", "pipelines.landing.lake_destination"
    ) as processes:
        yield processes
