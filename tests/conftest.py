"""What every room's tests share: the sandbox over real HTTP, and the command line beside it."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipelines.settings import Settings
from sandbox import Sandbox, running
from tests.support.clipmart import NOW, Clipmart, SharedFolder, add_three_jobs, environment
from tests.support.demo_run import DemoRun, shared_run
from tests.support.landing_data import write_landing
from tests.support.postgres import new_database, postgres_server
from tests.support.reader_rows import rows

# dlt allocates much and keeps nearly all of it: collecting after every 700 objects, as Python does
# by default, takes a fifteenth of the suite.
gc.set_threshold(100_000, 50, 100)

# What `clipmart` in a message is replaced by, if it is not on PATH: the environment's own is.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

OF_EXTRAS = {
    "mcp": ["agents"],
    "marimo": ["docs/test_marimo_page.py"],
    "psycopg": ["lake", "ledger/test_ledger_shared.py"],
    "pysail": ["warehouse/test_other_engines.py"],
    "sqlmesh": ["warehouse/test_sqlmesh_project.py"],
}
"""A package, and the tests that need it: `make test-latest` installs none of these."""
collect_ignore = [
    path for package, paths in OF_EXTRAS.items() if find_spec(package) is None for path in paths
]


def pytest_report_header() -> str:
    """The tests that are not run for want of an extra."""
    return f"not run, without their extra: {', '.join(collect_ignore) or 'none'}"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Both APIs, empty, without limits, standing still at NOW."""
    with running(Sandbox(now=NOW, minute_seconds=0)) as served:
        yield served


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> SharedFolder:
    """A folder of a name that the first process of the suite to need it fills, for all to copy."""
    base = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each of its processes a folder inside the suite's.
    suite = base.parent if base.name.startswith("popen-") else base

    def once(name: str, fill: Callable[[Path], None]) -> Path:
        folder = suite / name
        with (suite / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished = suite / f"{name}.unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return once


@pytest.fixture(scope="session")
def prepared_state(shared_folder: SharedFolder) -> Path:
    """A state folder whose tables are made: seconds, paid once."""

    def fill(folder: Path) -> None:
        from pipelines.landing.loader import Loader
        from pipelines.landing.store import Landing
        from pipelines.landing.tables import tables_of
        from pipelines.landing.upgrade import upgrade

        state = folder / "state"
        state.mkdir(mode=0o700)
        landing = Landing(state / "landing.duckdb")
        loader = Loader(state / "landing.duckdb", state / "dlt")
        for schema in ("clipmart", "klipit", "clipus"):
            loader.load(schema, {table: [] for table in tables_of(schema)})
        upgrade(landing, loader, datetime.fromisoformat(NOW))
        landing.close()

    return shared_folder("prepared", fill) / "state"


@pytest.fixture
def clipmart(tmp_path: Path, sandbox: Sandbox) -> Iterator[Clipmart]:
    """The command line with keys of the sandbox, its clock pinned at NOW, and no data folder."""
    clipmart = Clipmart(tmp_path, environment(sandbox))
    yield clipmart
    clipmart.end_processes()


@pytest.fixture
def prepared(clipmart: Clipmart, prepared_state: Path) -> Clipmart:
    """The same with every table made, as after a first sync that landed nothing."""
    shutil.copytree(prepared_state, clipmart.data_dir / "state")
    return clipmart


@pytest.fixture
def landing_only(prepared: Clipmart, monkeypatch: pytest.MonkeyPatch) -> Clipmart:
    """The same without building and publishing, which take seconds; `rows` reads what landed."""
    monkeypatch.setattr("pipelines.warehouse.publish.publish", lambda *_, **_named: True)
    prepared.publishing = False
    return prepared


@pytest.fixture(scope="session")
def synced_data(shared_folder: SharedFolder, prepared_state: Path) -> Path:
    """A data folder after one sync of three jobs, made once."""

    def fill(folder: Path) -> None:
        with running(Sandbox(now=NOW, minute_seconds=0)) as sandbox:
            add_three_jobs(sandbox)
            clipmart = Clipmart(
                folder,
                {
                    "KLIPIT_BASE_URL": sandbox.klipit_url,
                    "KLIPIT_API_KEY": "klipit_sk_sandbox",
                    "CLIPMART_MINUTE_SECONDS": "0",
                    "CLIPMART_NOW": NOW,
                },
            )
            shutil.copytree(prepared_state, clipmart.data_dir / "state")
            ids = "job_id,show_name\njob_1,Ton\njob_2,\njob_3,"
            clipmart("track", "klipit", "--from", "-", stdin=ids)
            assert clipmart("sync").code == 0

    return shared_folder("synced", fill) / "data"


@pytest.fixture
def synced(clipmart: Clipmart, sandbox: Sandbox, synced_data: Path) -> Clipmart:
    """Three jobs landed and published, one with an undocumented JSON field."""
    add_three_jobs(sandbox)
    shutil.copytree(synced_data, clipmart.data_dir)
    return clipmart


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """The suite's one run of the demo."""
    folder = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each of its processes a folder inside the suite's.
    return shared_run(folder.parent if folder.name.startswith("popen-") else folder)


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A small published warehouse."""
    from pipelines.warehouse.publish import publish

    settings = Settings(
        data_dir=tmp_path_factory.mktemp("published") / "data",
        pinned_now=datetime(2026, 4, 9, 12, 0, tzinfo=UTC),
    )
    settings.state_dir.mkdir(parents=True)
    write_landing(settings.landing, rows())
    publish(settings)
    return settings


@pytest.fixture
def published(
    published_once: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """A data folder of its own, which the environment points to."""
    settings = Settings(data_dir=tmp_path / "data", pinned_now=published_once.pinned_now)
    shutil.copytree(published_once.data_dir, settings.data_dir)
    monkeypatch.setenv("CLIPMART_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CLIPMART_NOW", "2026-04-09T12:00:00Z")
    return settings


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server, without a database's name."""
    with postgres_server() as address:
        yield address


@pytest.fixture(scope="session")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that answers as Spark does; tests of the group `lake` share it."""
    from tests.support.engines import sail_server  # not installed without `dev`

    with sail_server(tmp_path_factory.mktemp("sail")) as address:
        yield address


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Apache Spark's own cluster; minutes, so of soaks alone."""
    from tests.support.engines import spark_cluster

    with spark_cluster(tmp_path_factory.mktemp("spark")) as address:
        yield address


@pytest.fixture
def database(postgres: str) -> str:
    """The address of an empty database."""
    return new_database(postgres)
