"""Impossible numbers and dates from a vendor: unknown in the reports, counted, never blocking."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.warehouse.build import build
from pipelines.warehouse.read import attach
from tests.support.landing_data import NOW, Rows, at, write_landing

DAY = timedelta(days=1)


def built(tmp_path: Path, tables: Rows) -> duckdb.DuckDBPyConnection:
    landing = write_landing(tmp_path / "landing.duckdb", tables)
    build(landing, tmp_path / "warehouse.duckdb", NOW)
    return attach(tmp_path / "warehouse.duckdb", now=NOW)


def balance(day: str, credits: float) -> dict[str, Any]:
    return {"observed_at": at(f"{day} 12:00"), "balance": credits, "origin": "api"}


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan, 1.7e308, -1.7e308, 1e15])
def test_a_store_with_an_impossible_balance_is_published(tmp_path: Path, odd: float) -> None:
    """It is left out and counted: 10 credits were used from the 6th to the 8th of April."""
    rows = [balance("2026-04-06", 50), balance("2026-04-07", odd), balance("2026-04-08", 40)]
    with built(tmp_path, {"klipit.account_snapshots": rows}) as con:
        used = con.execute("SELECT sum(credits_used) FROM reports.credit_usage").fetchone()
        assert used == (10.0,)
        assert con.execute(
            "SELECT rows FROM staging.audit_findings WHERE finding = 'balance out of range'"
        ).fetchall() == [(1,)]


@pytest.mark.parametrize("score", [math.inf, math.nan, 1.7e308])
def test_an_impossible_score_counts_as_unscored(tmp_path: Path, score: float) -> None:
    """A mean with it would be infinite or NaN."""
    job = {"id": "job_1", "status": "complete", "created_at": at("2026-04-08 12:00")}
    clips = [
        {"id": f"clip_{number}", "job_id": "job_1", "shareability_score": value}
        for number, value in enumerate((80.0, 90.0, score))
    ]
    with built(tmp_path, {"klipit.jobs": [job], "klipit.clips": clips}) as con:
        assert con.execute(
            "SELECT clips, mean_score, best_score FROM reports.shareability"
        ).fetchall() == [(3, 85.0, 90.0)]


@pytest.mark.parametrize(
    ("created_at", "known"),
    [
        (at("0001-01-01 00:00"), False),
        (at("1970-01-01 00:00"), False),
        (at("2000-01-01 00:00"), True),
        (NOW + DAY, True),
        (NOW + DAY + timedelta(seconds=1), False),
        (at("9999-12-31 23:59"), False),
    ],
)
def test_a_date_before_2000_or_over_a_day_ahead_of_its_answer_is_unknown(
    tmp_path: Path, created_at: datetime, known: bool
) -> None:
    """For jobs, campaigns and the publication of a video; each is counted as odd."""
    stamps = {"created_at": created_at, "observed_at": NOW}
    with built(
        tmp_path,
        {
            "klipit.jobs": [{"id": "job_1", "status": "complete", **stamps}],
            "clipus.campaigns": [{"campaign_id": "c", "status": "complete", **stamps}],
            "clipus.videos": [
                {
                    "campaign_id": "c",
                    "id": "v1",
                    "status": "ready",
                    "published_at": created_at,
                    "observed_at": NOW,
                }
            ],
        },
    ) as con:
        expected = created_at if known else None
        assert con.execute("SELECT created_at FROM reports.shareability").fetchall() == [
            (expected,)
        ]
        assert con.execute(
            "SELECT created_at, published FROM reports.video_readiness"
        ).fetchall() == [(expected, int(known))]
        odd = con.execute(
            "SELECT sum(rows) FROM staging.audit_findings WHERE finding LIKE '%dated before 2000%'"
        ).fetchone()
        assert odd == (0 if known else 3,)


def test_the_credit_calendar_begins_in_2020_at_the_earliest(tmp_path: Path) -> None:
    """A job of 2005 is in the other reports; it does not add 5,000 empty days."""
    jobs = [
        {"id": "job_1", "status": "complete", "created_at": at("2005-06-01 12:00")},
        {"id": "job_2", "status": "complete", "created_at": at("2020-01-02 12:00")},
    ]
    with built(tmp_path, {"klipit.jobs": jobs}) as con:
        assert con.execute(
            "SELECT min(day)::VARCHAR, count(*), sum(jobs_submitted) FROM reports.credit_usage"
        ).fetchall() == [("2020-01-01", 2, 1)]
        assert con.execute("SELECT count(*) FROM reports.shareability").fetchall() == [(2,)]
