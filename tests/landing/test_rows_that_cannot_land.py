"""What happens when the landing store refuses rows: the bad id is quarantined, all else lands.

A unique index on the landing file stands for anything that makes a load fail because of its rows.
"""

from __future__ import annotations

import duckdb
import pytest

from sandbox import Sandbox
from tests.support.clipmart import Clipmart


def refuse_equal(clipmart: Clipmart, table: str, column: str) -> None:
    """Let the landing store refuse a second row with the same value in this column."""
    with duckdb.connect(str(clipmart.data_dir / "state/landing.duckdb")) as con:
        con.execute(f"CREATE UNIQUE INDEX refusing ON {table} ({column})")


def test_only_an_id_whose_rows_cannot_land_is_quarantined(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """One of four jobs is refused; the others and the other service land, also in the next sync."""
    refuse_equal(landing_only, "klipit.jobs", "duration_seconds")
    for number in range(4):
        seconds = 1000 if number in (1, 3) else number
        sandbox.add_job(f"job_{number}", clips=1, duration_seconds=seconds)
    sandbox.add_campaign("c-1", videos=[{"id": "v1", "status": "ready"}])
    landing_only("track", "klipit", *(f"job_{number}" for number in range(4)))
    landing_only("track", "clipus", "c-1")

    done = landing_only("sync", "--json")

    assert done.code == 1, done.err
    assert done.json()["services"]["klipit"]["rejected"] == 1
    assert landing_only.rows("SELECT count(*) FROM klipit.jobs") == [(3,)]
    assert landing_only.rows("SELECT count(*) FROM clipus.videos") == [(1,)]
    ((endpoint, id_, reason),) = landing_only.rows(
        "SELECT endpoint, id, reason FROM clipmart.rejected_records"
    )
    assert endpoint == "jobs" and id_ in ("job_1", "job_3")
    assert reason.startswith("load: ")

    sandbox.add_job("job_new", clips=1, duration_seconds=77)
    landing_only("track", "klipit", "job_new")
    assert landing_only("sync").code == 0
    assert landing_only.rows("SELECT count(*) FROM klipit.jobs") == [(4,)]


def test_a_store_that_refuses_everything_stops_its_service_and_not_the_other(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond twenty (here two) ids the records are not to blame: the rest stays due."""
    monkeypatch.setattr("pipelines.sync.writer.MOST_QUARANTINED", 2)
    refuse_equal(landing_only, "klipit.jobs", "status")
    for number in range(6):
        sandbox.add_job(f"job_{number}", clips=1)
    sandbox.add_campaign("c-1", videos=[{"id": "v1", "status": "ready"}])
    landing_only("track", "klipit", *(f"job_{number}" for number in range(6)))
    landing_only("track", "clipus", "c-1")

    done = landing_only("sync")

    assert done.code == 1
    assert "Loading into the schema klipit failed" in done.err
    assert landing_only.rows("SELECT count(*) FROM clipus.videos") == [(1,)]
    assert landing_only.rows("SELECT count(*) FROM clipmart.rejected_records") == [(2,)]
