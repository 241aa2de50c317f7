"""A lake that is not there yet, that is half set, and that cannot be reached."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipelines.settings import load_settings
from pipelines.warehouse.lake import open_lake
from sandbox import Sandbox, running
from tests.support.clipmart import NOW, Clipmart
from tests.support.lake import Shared, shared_lake

pytestmark = pytest.mark.xdist_group("lake")


@pytest.fixture(scope="module")
def shared(empty_lake: str, tmp_path_factory: pytest.TempPathFactory) -> Shared:
    return shared_lake(empty_lake, str(tmp_path_factory.mktemp("lake") / "files"))


@pytest.fixture(scope="module")
def machine(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clipmart]:
    """One whose job has two clips."""
    with running(Sandbox(now=NOW, minute_seconds=0)) as sandbox:
        sandbox.add_job("job_1", clips=[{"id": "a"}, {"id": "b"}])
        machine = shared.machine(tmp_path_factory.mktemp("machine") / "folder", sandbox)
        machine("track", "klipit", "job_1")
        yield machine


@pytest.fixture(scope="module")
def synced(machine: Clipmart) -> Clipmart:
    assert machine("sync").code == 0
    return machine


def test_before_the_first_sync_readers_are_informed(machine: Clipmart) -> None:
    """Nothing is published yet, so: 3, where it looked and what to run."""
    for command in (["report"], ["query", "SELECT 1"]):
        done = machine(*command)
        assert done.code == 3 and "clipmart sync" in done.err and "postgresql://" in done.err
    assert machine("status").code == 0


def test_clips_of_a_load_cut_short_show_where_their_job_is_there(
    synced: Clipmart, shared: Shared
) -> None:
    """A load that never ended may have landed clips without their job: those are left out."""
    lake = load_settings(shared.environ).lake
    assert lake is not None
    with closing(open_lake(lake, landing=True)) as landing:
        landing.execute(
            """INSERT INTO klipit.clips BY NAME
               SELECT * REPLACE (new.id AS id, new.job_id AS job_id, 'cut short' AS _dlt_load_id)
               FROM (FROM klipit.clips WHERE id = 'a') AS one
               CROSS JOIN (VALUES ('c', 'job_1'), ('d', 'job_2')) AS new(id, job_id)"""
        )

    published = synced("publish")

    assert published.code == 0, published.err
    assert shared.rows("SELECT id, job_id FROM klipit.clips ORDER BY id") == [
        ("a", "job_1"),
        ("b", "job_1"),
        ("c", "job_1"),
    ]


def test_a_landing_lake_with_fewer_loads_than_were_published_replaces_nothing(
    synced: Clipmart, shared: Shared
) -> None:
    """It was begun again, or is an older copy: 3, and readers go on with what was published."""
    lake = load_settings(shared.environ).lake
    assert lake is not None
    with closing(open_lake(lake, landing=True)) as landing:
        landing.execute("UPDATE klipit._dlt_loads SET status = 1")

    refused = synced("publish")

    with closing(open_lake(lake, landing=True)) as landing:
        landing.execute("UPDATE klipit._dlt_loads SET status = 0")
    assert refused.code == 3
    assert "fewer loads" in refused.err and "docs/lake.md" in refused.err
    assert shared.rows("SELECT id FROM klipit.jobs") == [("job_1",)]


CUT_OFF = """
import sys
import psycopg
from pipelines.warehouse import lake
from pipelines.cli import main
write_publication = lake.write_publication
def cut_off(*args, **kwargs):
    with psycopg.connect(sys.argv[1], autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    write_publication(*args, **kwargs)
lake.write_publication = cut_off
main(["publish"], prog_name="clipmart")
"""


def test_a_catalog_lost_while_publishing_is_reported_and_changes_nothing(
    synced: Clipmart, shared: Shared
) -> None:
    """Its server closes every connection in the middle of the one transaction."""
    done = subprocess.run(
        [sys.executable, "-c", CUT_OFF, shared.environ["CLIPMART_LAKE_CATALOG"]],
        env={"PATH": "/usr/bin:/bin", **synced.environ},
        cwd=synced.folder,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 75, done.stderr
    assert "Traceback" not in done.stderr and "clipmart: " in done.stderr
    assert shared.rows("SELECT id FROM klipit.jobs") == [("job_1",)]
    assert synced("publish").code == 0


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
    done = Clipmart(tmp_path, environ)("report")
    assert done.code == 3 and named in done.err and "hunter2" not in done.err


def test_an_unreachable_catalog_reveals_no_password(tmp_path: Path) -> None:
    """DuckDB's message repeats the whole address; ours does not."""
    environ = {
        "CLIPMART_DESTINATION": "ducklake",
        "CLIPMART_LAKE_CATALOG": "postgresql://me:hunter2@127.0.0.1:9/clips",
        "CLIPMART_LAKE_FILES": str(tmp_path / "files"),
    }
    for command in ("report", "sync"):
        done = Clipmart(tmp_path, environ | {"KLIPIT_API_KEY": "k"})(command)
        assert done.code == 75 and "postgresql://127.0.0.1:9/clips" in done.err, done
        assert "hunter2" not in done.err + done.out


@pytest.mark.parametrize("variable", ["CLIPMART_LEDGER", "CLIPMART_LAKE_CATALOG"])
@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hunter2@more@host/db",
        "postgresql://me:1/hunter2@host/db",
        "postgresql://me:word@host/db?options=hunter2@more",
        "postgresql://me:hunter2@host/db#more@host",
    ],
)
def test_an_address_whose_password_is_not_encoded_is_refused(
    tmp_path: Path, variable: str, address: str
) -> None:
    """A second @ makes part of the password the host: 3 with the variable, without the address."""
    environ = {"CLIPMART_DESTINATION": "ducklake", "CLIPMART_LAKE_FILES": "files"}
    environ["CLIPMART_LAKE_CATALOG"] = "postgresql://127.0.0.1:9/db"
    ended = Clipmart(tmp_path, environ | {variable: address})("report")
    assert ended.code == 3 and variable in ended.err and "%40" in ended.err
    assert "hunter2" not in ended.err + ended.out
