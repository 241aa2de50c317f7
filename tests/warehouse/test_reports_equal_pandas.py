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
from tests.support.expected_reports import expected_reports
from tests.support.landing_data import NOW, Rows, a_month_of_use, write_landing

REPORTS = [
    "credit_usage",
    "freshness",
    "job_turnaround",
    "moment_types",
    "shareability",
    "shareability_monthly",
    "shareability_weekly",
    "top_clips",
    "video_quota",
    "video_readiness",
    "video_readiness_by_platform",
]
KEYS = {
    "credit_usage": ["day"],
    "freshness": ["table_name"],
    "job_turnaround": ["job_id"],
    "moment_types": ["moment_type"],
    "shareability": ["job_id"],
    "shareability_monthly": ["month", "show_name"],
    "shareability_weekly": ["week", "show_name"],
    "top_clips": ["rank"],
    "video_quota": ["month"],
    "video_readiness": ["campaign_id"],
    "video_readiness_by_platform": ["platform"],
}


PAGE_KEYS = {
    "page_totals": [],
    "page_weeks": ["week"],
    "page_shows": ["show_name"],
    "page_score_spread": ["moment_type"],
    "page_score_marks": ["moment_type", "score"],
    "page_costs": [],
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
def test_what_only_the_page_shows_equals_pandas(
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
        "a month known by its quota alone": "FROM reports.video_quota "
        "WHERE quota = 30 AND campaigns = 0",
    }
    absent = [way for way, rows in ways.items() if not con.execute(rows).fetchall()]
    assert absent == []


def test_another_month_equals_pandas_too(tmp_path: Path) -> None:
    """With another seed, and smaller."""
    rows = a_month_of_use(seed=7, jobs=60, campaigns=25)
    target = tmp_path / "warehouse.duckdb"
    build(write_landing(tmp_path / "landing.duckdb", rows), target)
    wanted = expected_reports(rows, NOW)
    with attach(target, now=NOW) as con:
        for name in REPORTS:
            assert_same(report_rows(con, name), wanted[name], KEYS[name])


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
            assert report_rows(there, name) == report_rows(here, name)
