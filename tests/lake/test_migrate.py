"""`clipmart migrate`: one machine's files into the lake and the shared ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.settings import load_settings
from pipelines.warehouse.lake import open_lake, tidy
from pipelines.warehouse.read import connect, report
from tests.support.clipmart import Clipmart
from tests.support.demo_run import NOW as DEMO_NOW
from tests.support.demo_run import DemoRun
from tests.support.lake import REPORTS, Shared, shared_lake

pytestmark = [pytest.mark.xdist_group("lake"), pytest.mark.soak]  # a minute


@pytest.fixture(scope="module")
def folder(demo_run: DemoRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo's data folder."""
    folder = tmp_path_factory.mktemp("migrated")
    shutil.copytree(demo_run.data_dir, folder / "data")
    return folder


@pytest.fixture(scope="module")
def before(folder: Path) -> dict[str, list[Any]]:
    """Every report as the demo's own file answers it."""
    here = Clipmart(folder, {"CLIPMART_NOW": DEMO_NOW})
    return {name: here.rows(f"SELECT * FROM reports.{name} ORDER BY ALL") for name in REPORTS}


@pytest.fixture(scope="module")
def shared(empty_lake: str, folder: Path) -> Shared:
    lake = shared_lake(empty_lake, str(folder / "files"))
    lake.environ["CLIPMART_NOW"] = DEMO_NOW
    return lake


@pytest.fixture(scope="module")
def machine(folder: Path, shared: Shared) -> Clipmart:
    return Clipmart(folder, dict(shared.environ))


@pytest.fixture
def landing(shared: Shared) -> Iterator[duckdb.DuckDBPyConnection]:
    """The landing lake, to write."""
    lake = load_settings(shared.environ).lake
    assert lake is not None
    with open_lake(lake, landing=True) as con:
        yield con


@pytest.fixture(scope="module")
def first(machine: Clipmart, before: dict[str, list[Any]]) -> Any:
    """What the first migration reported."""
    done = machine("migrate", "--json")
    assert done.code == 0, done.err
    return done.json()


def test_every_report_is_equal_after_migrate(
    first: Any, before: dict[str, list[Any]], shared: Shared
) -> None:
    """All ten, row by row, on the demo's data."""
    for name, rows in before.items():
        assert rows, name
        assert shared.rows(f"SELECT * FROM reports.{name} ORDER BY ALL") == rows, name


def test_every_landed_row_is_copied_and_counted(first: Any, folder: Path) -> None:
    """It reports what the file holds."""
    with duckdb.connect(str(folder / "data/state/landing.duckdb"), read_only=True) as con:
        for table in first["tables"]:
            rows = con.execute(f"SELECT count(*) FROM {table['table']}").fetchone()
            assert rows == (table["rows"],) == (table["copied"],), table
    assert {"klipit.jobs", "klipit.clips", "clipus.videos"} <= {t["table"] for t in first["tables"]}


def test_the_ledger_is_copied_and_known_ids_are_known(first: Any, machine: Clipmart) -> None:
    """`ids` on the lake names what it named before; the inbox has nothing left to land."""
    before = Clipmart(machine.folder, {"CLIPMART_NOW": DEMO_NOW})
    for service in ("klipit", "clipus"):
        assert sorted(machine("ids", service).out.splitlines()) == sorted(
            before("ids", service).out.splitlines()
        )
    assert first["events"] == first["new_events"] > 0


def test_migrating_again_copies_nothing_and_replaces_nothing_newer(
    first: Any, machine: Clipmart, landing: duckdb.DuckDBPyConnection
) -> None:
    """A job that the lake has learnt more about since is not set back."""
    job = "id = (SELECT min(id) FROM klipit.jobs)"
    stamps = landing.execute(f"SELECT status, observed_at FROM klipit.jobs WHERE {job}").fetchone()
    assert stamps is not None
    landing.execute(
        f"UPDATE klipit.jobs SET status = 'new', observed_at = '2026-05-01 00:00:00Z' WHERE {job}"
    )
    again = machine("migrate", "--json")
    assert again.code == 0, again.err
    assert {t["copied"] for t in again.json()["tables"]} == {0}
    assert again.json()["new_events"] == 0
    assert landing.execute(f"SELECT status FROM klipit.jobs WHERE {job}").fetchall() == [("new",)]
    landing.execute(f"UPDATE klipit.jobs SET status = ?, observed_at = ? WHERE {job}", [*stamps])


def test_a_failed_audit_leaves_readers_what_they_had(
    first: Any,
    machine: Clipmart,
    landing: duckdb.DuckDBPyConnection,
    before: dict[str, list[Any]],
    shared: Shared,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clip without its job is landed by hand, and publishing reports it.

    What `connect()` and `report()` return in Python is unchanged.
    """
    landing.execute(
        """INSERT INTO klipit.clips BY NAME
           SELECT * REPLACE ('no_such_job' AS job_id, 'stray' AS id) FROM klipit.clips LIMIT 1"""
    )
    failed = machine("publish")
    landing.execute("DELETE FROM klipit.clips WHERE id = 'stray'")
    assert failed.code == 1 and "Audits found rows" in failed.err
    for name, value in shared.environ.items():
        monkeypatch.setenv(name, value)
    assert len(report("shareability")) == len(before["shareability"])
    with connect() as con:
        assert con.sql("FROM klipit.clips WHERE id = 'stray'").fetchall() == []


def test_housekeeping_removes_files_and_no_row(
    first: Any, before: dict[str, list[Any]], shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only earlier snapshots needed goes; every report answers as before."""
    lake = load_settings(shared.environ).lake
    assert lake is not None
    files = set(Path(lake.files).rglob("*.parquet"))
    monkeypatch.setattr("pipelines.warehouse.lake.KEEP_DAYS", 0)
    tidy(lake)
    assert files - set(Path(lake.files).rglob("*.parquet"))
    for name, rows in before.items():
        assert shared.rows(f"SELECT * FROM reports.{name} ORDER BY ALL") == rows, name


def test_without_a_lake_it_says_what_to_set(tmp_path: Path) -> None:
    done = Clipmart(tmp_path, {})("migrate")
    assert done.code == 3 and "CLIPMART_DESTINATION" in done.err


def test_an_empty_folder_is_reported(tmp_path: Path, shared: Shared) -> None:
    done = Clipmart(tmp_path, dict(shared.environ))("migrate")
    assert done.code == 3 and "holds neither" in done.err
