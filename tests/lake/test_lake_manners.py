"""A lake that cannot be used, one that is tidied, and readers of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import lake as lakes
from pipelines.landing import Landing
from pipelines.settings import load_settings
from pipelines.warehouse import connect, report
from sandbox import Sandbox
from tests.conftest import Clipmart
from tests.lake.conftest import Shared, shared_lake

pytestmark = pytest.mark.xdist_group("lake")


@pytest.fixture
def shared(empty_lake: str, tmp_path: Path) -> Shared:
    return shared_lake(empty_lake, str(tmp_path / "files"))


@pytest.fixture
def machine(shared: Shared, tmp_path: Path, sandbox: Sandbox) -> Clipmart:
    return shared.machine(tmp_path / "machine", sandbox)


def test_before_the_first_sync_readers_are_told(machine: Clipmart) -> None:
    """Nothing is published yet, so: 3, where it looked and what to run."""
    for command in (["report"], ["query", "SELECT 1"]):
        told = machine(*command)
        assert told.code == 3 and "clipmart sync" in told.err and "postgresql://" in told.err
    assert machine("status").code == 0


def test_a_failed_audit_leaves_readers_what_they_had(
    machine: Clipmart, shared: Shared, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that breaks an audit is landed by hand; the next sync says so, and readers see the
    lake as it was, in Python too."""
    sandbox.add_job("job_1", clips=20)  # fewer rows than ten would stay in the catalog
    machine("track", "klipit", "job_1")
    assert machine("sync").code == 0
    lake = load_settings(shared.environ).lake
    assert lake is not None
    landing = Landing(lake)
    landing.connection.execute(
        """INSERT INTO klipit.clips BY NAME
           SELECT * REPLACE ('no_such_job' AS job_id, 'stray' AS id) FROM klipit.clips LIMIT 1"""
    )
    landing.close()
    sandbox.add_job("job_2", clips=1)
    machine("track", "klipit", "job_2")
    failed = machine("sync")
    assert failed.code == 1 and "Audits found rows" in failed.err
    for name, value in shared.environ.items():
        monkeypatch.setenv(name, value)
    assert list(report("shareability").job_id) == ["job_1"]
    assert connect().sql("SELECT count(*) FROM klipit.clips").fetchone() == (20,)

    # Mended, it is published; tidied, what readers saw before is gone from the files.
    landing = Landing(lake)
    landing.connection.execute("DELETE FROM klipit.clips WHERE id = 'stray'")
    landing.close()
    assert machine("publish").code == 0
    files = set(Path(lake.files).rglob("*.parquet"))
    monkeypatch.setattr(lakes, "KEEP_DAYS", 0)
    lakes.tidy(lake)
    assert files > set(Path(lake.files).rglob("*.parquet"))
    assert sorted(report("shareability").job_id) == ["job_1", "job_2"]
    assert connect().sql("SELECT count(*) FROM klipit.clips").fetchone() == (21,)
    connect().close()


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"CLIPMART_DESTINATION": "duckpond"}, "CLIPMART_DESTINATION"),
        ({"CLIPMART_DESTINATION": "ducklake"}, "CLIPMART_LAKE_CATALOG"),
        (
            {
                "CLIPMART_DESTINATION": "ducklake",
                "CLIPMART_LAKE_CATALOG": "postgresql://me:hunter2@host/db",
                "CLIPMART_LAKE_FILES": "s3://clips/lake",
            },
            "AWS_ACCESS_KEY_ID",
        ),
    ],
)
def test_a_lake_that_is_half_set_names_what_lacks(
    tmp_path: Path, environ: dict[str, str], named: str
) -> None:
    told = Clipmart(tmp_path, environ)("report")
    assert told.code == 3 and named in told.err and "hunter2" not in told.err


def test_a_catalog_that_is_away_tells_no_password(tmp_path: Path) -> None:
    """DuckDB's message repeats the whole address; ours does not."""
    environ = {
        "CLIPMART_DESTINATION": "ducklake",
        "CLIPMART_LAKE_CATALOG": "postgresql://me:hunter2@127.0.0.1:9/clips",
        "CLIPMART_LAKE_FILES": str(tmp_path / "files"),
    }
    for command in ("report", "sync"):
        told = Clipmart(tmp_path, environ | {"KLIPIT_API_KEY": "k"})(command)
        assert told.code == 75 and "postgresql://127.0.0.1:9/clips" in told.err, told
        assert "hunter2" not in told.err + told.out
