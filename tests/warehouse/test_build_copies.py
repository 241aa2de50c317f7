"""What a build copies from a landing file that is not tidy."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.warehouse.build import UNDOCUMENTED_COLUMN, build
from pipelines.warehouse.read import attach
from tests.support.landing_data import at, write_landing

MADE = at("2026-04-08 12:00")


@pytest.fixture(scope="module")
def untidy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unknown fields, rows marked as removed, and a load that never ended."""
    folder = tmp_path_factory.mktemp("untidy")
    seen = {"created_at": MADE, "observed_at": MADE}
    landing = write_landing(
        folder / "landing.duckdb",
        {
            "klipit.jobs": [{"id": "job_1", "status": "queued", "new field": {"a": 1}, **seen}],
            "klipit.clips": [
                {"id": "clip_1", "job_id": "job_1", "_clipmart_removed": None},
                {"id": "clip_2", "job_id": "job_1", "_clipmart_removed": False},
                {"id": "clip_3", "job_id": "job_1", "_clipmart_removed": True},
                {"id": "clip_4", "job_id": "job_2", "_clipmart_removed": None},
            ],
            "klipit.surprises": [{"id": "s1"}],
            "clipus.campaigns": [{"campaign_id": "c", "status": "collecting", **seen}],
        },
        status=1,
    )
    build(landing, folder / "warehouse.duckdb")
    return folder / "warehouse.duckdb"


def test_undocumented_fields_are_copied(untidy: Path) -> None:
    """An unknown column and an unknown table are copied, with a comment that says so."""
    with attach(untidy) as con:
        jobs = con.execute('SELECT id, "new field" FROM klipit.jobs').fetchall()
        assert jobs == [("job_1", '{"a": 1}')]
        assert con.execute("FROM klipit.surprises").fetchall() == [("s1",)]
        comments = con.execute(
            "SELECT comment FROM duckdb_columns() WHERE column_name = 'new field'"
        ).fetchall()
        assert comments == [(UNDOCUMENTED_COLUMN,)]


def test_removed_rows_and_orphans_of_an_interrupted_load_are_left_out(untidy: Path) -> None:
    """dlt marks clip_3 as removed; clip_4's job never came, since its load never ended."""
    with attach(untidy) as con:
        clips = con.execute("SELECT id FROM klipit.clips ORDER BY id").fetchall()
        assert clips == [("clip_1",), ("clip_2",)]
        columns = [column[0] for column in con.execute("DESCRIBE klipit.clips").fetchall()]
        assert [column for column in columns if column.startswith("_")] == []


@pytest.mark.parametrize(
    ("now", "job_stuck", "campaign_stuck", "campaign_settled", "hours_old"),
    [
        ("2026-04-08 13:30", False, False, False, 1.5),
        ("2026-04-08 14:00", True, False, False, 2.0),
        ("2026-04-09 12:00", True, True, False, 24.0),
        ("2026-04-22 12:00", True, True, True, 336.0),
    ],
)
def test_views_follow_clipmart_now(
    untidy: Path,
    now: str,
    job_stuck: bool,
    campaign_stuck: bool,
    campaign_settled: bool,
    hours_old: float,
) -> None:
    """As time passes, the same file has other answers on what is stuck, settled and old."""
    with attach(untidy, now=at(now)) as con:
        assert con.execute(
            """
            SELECT jobs.stuck, campaigns.stuck, campaigns.settled, freshness.hours_old
            FROM reports.job_turnaround AS jobs, reports.video_readiness AS campaigns,
              reports.freshness
            WHERE table_name = 'klipit.jobs'
            """
        ).fetchall() == [(job_stuck, campaign_stuck, campaign_settled, hours_old)]


def test_views_follow_the_clock_if_no_now_is_set(untidy: Path) -> None:
    """As in any DuckDB that opens the file."""
    with attach(untidy) as con:
        ((hours, clock),) = con.execute(
            "SELECT hours_old, EPOCH(NOW() - last_observed_at) / 3600 "
            "FROM reports.freshness WHERE table_name = 'klipit.jobs'"
        ).fetchall()
        assert hours == pytest.approx(clock, abs=0.01)
