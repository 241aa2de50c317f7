"""Every report equals an independent computation from the same rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.warehouse.build import build
from pipelines.warehouse.read import attach
from tests.support.expected_page import expected_page
from tests.support.expected_reports import Landed, expected_reports
from tests.support.landing_data import NOW, Rows, a_month_of_use, write_landing

REPORTS = [
    "clips",
    "credit_usage",
    "failures",
    "freshness",
    "guests",
    "job_turnaround",
    "last_7_days",
    "moment_types",
    "shareability",
    "shareability_monthly",
    "shareability_weekly",
    "show_costs",
    "to_post",
    "top_clips",
    "video_quota",
    "video_readiness",
    "video_readiness_by_platform",
]
KEYS = {
    "clips": ["clip_id"],
    "credit_usage": ["day"],
    "failures": ["id", "video_id"],
    "freshness": ["table_name"],
    "guests": ["show_name", "guest_name"],
    "job_turnaround": ["job_id"],
    "last_7_days": ["metric"],
    "moment_types": ["moment_type"],
    "shareability": ["job_id"],
    "shareability_monthly": ["month", "show_name"],
    "shareability_weekly": ["week", "show_name"],
    "show_costs": ["show_name"],
    "to_post": ["rank"],
    "top_clips": ["rank"],
    "video_quota": ["month"],
    "video_readiness": ["campaign_id"],
    "video_readiness_by_platform": ["platform"],
}


PAGE_KEYS = {
    "page_totals": [],
    "page_weeks": ["week"],
    "show_scores": ["show_name"],
    "best_show": [],
    "page_score_spread": ["moment_type"],
    "page_score_marks": ["moment_type", "score"],
    "page_costs": [],
    "page_platforms": ["platform"],
    "page_show_weeks": ["show_name", "week"],
}


def report_rows(
    con: duckdb.DuckDBPyConnection, name: str, schema: str = "reports"
) -> list[dict[str, Any]]:
    cursor = con.execute(f"FROM {schema}.{name}")
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def assert_same(got: list[dict[str, Any]], wanted: list[dict[str, Any]], keys: list[str]) -> None:
    """The same rows in any order; numbers to nine digits."""

    def order(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(str(row[key]) for key in keys)

    assert len(got) == len(wanted)
    for mine, theirs in zip(sorted(got, key=order), sorted(wanted, key=order), strict=True):
        assert list(mine) == list(theirs)
        for column, value in theirs.items():
            approximate = isinstance(value, float) and mine[column] is not None
            expected = pytest.approx(value, rel=1e-9, abs=1e-9) if approximate else value
            assert mine[column] == expected, (column, mine, theirs)


@pytest.mark.parametrize("name", REPORTS)
def test_report_equals_pandas(con: duckdb.DuckDBPyConnection, landed: Rows, name: str) -> None:
    """Column by column, in the contract's order, for a month of made-up use."""
    assert_same(report_rows(con, name), expected_reports(landed, NOW)[name], KEYS[name])


@pytest.mark.parametrize("name", PAGE_KEYS)
def test_what_only_the_show_scores_equals_pandas(
    con: duckdb.DuckDBPyConnection, landed: Rows, name: str
) -> None:
    """Column by column, for the same month."""
    got = report_rows(con, name, "staging")
    assert_same(got, expected_page(landed, NOW)[name], PAGE_KEYS[name])


def test_the_month_has_the_cases_that_reports_distinguish(con: duckdb.DuckDBPyConnection) -> None:
    """Otherwise the comparison above would prove little."""
    ways = {
        "a complete job without clips": "FROM reports.shareability WHERE clips = 0",
        "clips but none scored": "FROM reports.shareability WHERE clips > 0 AND best_score IS NULL",
        "a stuck job": "FROM reports.job_turnaround WHERE stuck",
        "a stuck campaign": "FROM reports.video_readiness WHERE stuck",
        "a settled campaign": "FROM reports.video_readiness WHERE settled",
        "an open campaign": "FROM reports.video_readiness WHERE NOT settled AND NOT stuck",
        "a known first_ready_at": "FROM reports.video_readiness WHERE hours_to_ready > 0",
        "ready from the first": "FROM reports.video_readiness "
        "WHERE ready > 0 AND first_ready_at IS NULL",
        "a day of use and top-up": "FROM reports.credit_usage "
        "WHERE credits_used > 0 AND credits_added > 0",
        "a day before any balance": "FROM reports.credit_usage WHERE balance_close IS NULL",
        "a learned quota": "FROM reports.video_quota WHERE quota = 10",
        "an overlapped clip": "FROM reports.clips WHERE overlaps_better",
        "an episode called by its description": "FROM reports.clips WHERE episode LIKE '%?'",
        "an episode called by its guest": "FROM reports.clips WHERE episode = guest_name",
        "an episode called by its id": "FROM reports.clips WHERE episode = job_id",
        "an episode too old to post": "FROM reports.shareability "
        "WHERE best_clip_id NOT IN (SELECT clip_id FROM reports.to_post)",
        "a clip below its show": "FROM reports.to_post WHERE why LIKE '%below%'",
        "enough episodes of a guest": "FROM reports.guests WHERE enough_episodes",
        "too few episodes of a guest": "FROM reports.guests WHERE NOT enough_episodes",
        "a failure with a reason": "FROM reports.failures WHERE error IS NOT NULL",
        "a failed campaign": "FROM reports.failures WHERE kind = 'campaign'",
        "a failed video": "FROM reports.failures WHERE kind = 'video'",
        "a show of known cost": "FROM reports.show_costs WHERE credits_per_clip_80_plus > 0",
        "a change of each sign": "FROM (SELECT max(change) AS up, min(change) AS down "
        "FROM reports.last_7_days) WHERE up > 0 AND down < 0",
        "a month known by its quota alone": "FROM reports.video_quota "
        "WHERE quota = 30 AND campaigns = 0",
    }
    absent = [way for way, rows in ways.items() if not con.execute(rows).fetchall()]
    assert absent == []


@pytest.mark.parametrize(
    "shows",
    [["The Show"], [None], ["", " ", None], [f"Show {n}" for n in range(400)], ["A", "B", None]],
    ids=["one show", "no show names", "blank show names", "400 shows", "few shows"],
)
def test_other_months_equal_pandas_too(tmp_path: Path, shows: list[str | None]) -> None:
    """Each from 27 March to 30 April, so that a week has days of both months."""
    rows = a_month_of_use(7, jobs=450 if len(shows) > 5 else 60, campaigns=25, shows=shows)
    for clip in rows["klipit.clips"] if "A" in shows else []:
        if clip["shareability_score"] and Landed(rows).said(clip["job_id"], "show_name") == "A":
            clip["shareability_score"] += 30  # so that a show is best beyond chance
    target = tmp_path / "warehouse.duckdb"
    build(write_landing(tmp_path / "landing.duckdb", rows), target)
    wanted, page = expected_reports(rows, NOW), expected_page(rows, NOW)
    with attach(target, now=NOW) as con:
        for name in REPORTS:
            assert_same(report_rows(con, name), wanted[name], KEYS[name])
        for name, keys in PAGE_KEYS.items():
            assert_same(report_rows(con, name, "staging"), page[name], keys)
        assert [row["show_name"] for row in page["best_show"]] == (["A"] if "A" in shows else [])
        shown = {row["show_name"] for row in wanted["shareability"]}
        assert len(shown) > 150 if len(shows) > 5 else shown == set(shows) | {None}
        days = {f"{row['created_at']:%m-%d}" for row in wanted["shareability"] if row["created_at"]}
        assert days & {"03-30", "03-31"} and days & {f"04-0{day}" for day in range(1, 6)}


def test_days_do_not_follow_the_machines_zone(warehouse: Path, tmp_path: Path) -> None:
    """Built by a machine in Los Angeles, every table of numbers is the same."""
    target = tmp_path / "elsewhere.duckdb"
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path;"
            "from pipelines.warehouse.build import build;"
            "assert time.tzname[0] == 'PST';"
            "build(*map(Path, sys.argv[1:]))",
            str(warehouse.with_name("landing.duckdb")),
            str(target),
        ],
        env={**os.environ, "TZ": "America/Los_Angeles"},
        check=True,
    )
    with attach(warehouse, now=NOW) as here, attach(target, now=NOW) as there:
        for name in REPORTS:
            assert_same(report_rows(there, name), report_rows(here, name), KEYS[name])
