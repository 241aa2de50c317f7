"""What `report` selects: a show, days, an order, a number of rows; and what it refuses."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.reports.rows import unknown_show_error
from pipelines.settings import Settings
from pipelines.warehouse.publish import publish
from tests.support.clipmart import Clipmart
from tests.support.worlds import NOW, World

SHOWS = ("The Show", "O'Neill; DROP", "The Show")
REPORTS = (
    "clips, credit_usage, failures, freshness, guests, job_turnaround, last_7_days, moment_types, "
    "shareability, shareability_monthly, shareability_weekly, show_costs, to_post, top_clips, "
    "video_quota, video_readiness, video_readiness_by_platform"
)


@pytest.fixture(scope="module")
def clipmart(tmp_path_factory: pytest.TempPathFactory) -> Clipmart:
    """Three episodes: of today, 10 days and 100 days ago; two of one show."""
    from tests.support.landing_data import write_landing

    folder = tmp_path_factory.mktemp("selection")
    world = World()
    for n, (show, days) in enumerate(zip(SHOWS, (0.2, 10, 100), strict=True)):
        clips = [{"shareability_score": score} for score in (50.0 + n, 90.0 - n)]
        world.job(f"job_{n}", days, show=show, clips=clips)
    world.campaign("c-1", 50, videos=[{}])
    settings = Settings(data_dir=folder / "data", pinned_now=NOW)
    settings.state_dir.mkdir(mode=0o700, parents=True)
    write_landing(settings.landing, dict(world.tables))
    publish(settings)
    return Clipmart(folder, {"CLIPMART_NOW": NOW.isoformat(), "COLUMNS": "80"})


def rows(clipmart: Clipmart, *arguments: str) -> list[dict[str, str]]:
    done = clipmart("report", *arguments, "--format", "csv")
    assert (done.code, done.err) == (0, "")
    return list(csv.DictReader(io.StringIO(done.out)))


@pytest.mark.parametrize(
    ("arguments", "jobs"),
    [
        ("", ["job_0", "job_1", "job_2"]),
        ("--show=the-show", None),
        ("--show=THE SHOW", ["job_0", "job_2"]),
        ("--show=O'Neill; DROP", ["job_1"]),
        ("--since=2026-04-20", ["job_0", "job_1"]),
        ("--since=2026-04-21", ["job_0"]),
        ("--since=2030-01-01", []),
        ("--sort=best-score", ["job_0", "job_1", "job_2"]),
        ("--sort=mean_score --limit=2", ["job_0", "job_1"]),
        ("--sort=show_name", ["job_1", "job_0", "job_2"]),
        ("--limit=1", ["job_0"]),
        ("--show=The Show --since=2026-01-01 --sort=created_at --limit=1", ["job_0"]),
    ],
)
def test_rows_are_selected(clipmart: Clipmart, arguments: str, jobs: list[str] | None) -> None:
    """By show in any case, from a day on in UTC, highest and latest first, equal ones as before."""
    options = [f"--{option.strip()}" for option in arguments.split("--")[1:]]
    if jobs is None:
        assert clipmart("report", "shareability", *options).code == 2
    else:
        assert [row["job_id"] for row in rows(clipmart, "shareability", *options)] == jobs


@pytest.mark.parametrize(
    ("report", "since", "first", "count"),
    [
        ("shareability-weekly", "2026-04-22", "2026-04-20", 2),
        ("video-quota", "2026-03-31", "2026-03-01", 1),
        ("video-quota", "2026-04-01", None, 0),
        ("top-clips", "2026-04-21", "1", 2),
    ],
)
def test_a_week_or_month_counts_as_a_whole(
    clipmart: Clipmart, report: str, since: str, first: str | None, count: int
) -> None:
    """The one that the day is in is included; a clip has the day of its episode."""
    selected = rows(clipmart, report, "--since", since)
    assert len(selected) == count
    if first:
        assert next(iter(selected[-1 if report != "top-clips" else 0].values())) == first


@pytest.mark.parametrize("report", ["shareability", "top-clips", "job-turnaround"])
def test_a_filter_that_leaves_nothing_says_so(clipmart: Clipmart, report: str) -> None:
    """In a table; the other formats are empty."""
    options = ("--show", "the show", "--since", "2027-01-01")
    out = clipmart("report", report, *options).out
    assert out.endswith(" of The Show since 1 Jan 2027\n") and out.splitlines()[1][:3] == "no "
    assert clipmart("report", report, *options, "--format", "json").json() == {
        report.replace("-", "_"): []
    }


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["nix"], REPORTS),
        (["shareability", "--show", "nix"], "There are: O'Neill; DROP, The Show."),
        (["shareability", "--since", "soon"], "such as 2026-11-01"),
        (["shareability", "--sort", "nix"], "job_id, show_name, guest_name, created_at, clips"),
        (["moment-types", "--show", "The Show"], "job_turnaround, shareability, shareability_m"),
        (["moment-types", "--since", "2026-01-01"], "clips, credit_usage, failures, freshness"),
        (["--show", "The Show"], "--show works with: clips, guests, job_turnaround"),
        (["--format", "csv"], REPORTS),
        (["--format", "parquet", "--output", "x.parquet"], REPORTS),
        (["shareability", "--format", "parquet"], "--output FILE"),
        (["shareability", "--output", "data/warehouse.duckdb"], "Name another file"),
        (["--html", "x.html", "--sort", "clips"], "nor another option"),
    ],
)
def test_a_mistake_is_one_line_with_the_valid_names(
    clipmart: Clipmart, arguments: list[str], names: str
) -> None:
    """Exit 2, and nothing is written."""
    done = clipmart("report", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert names in done.err
    assert not list(clipmart.folder.glob("x.*"))


def test_many_shows_are_not_all_listed() -> None:
    """Those with a similar name come first, each cut."""
    shows = [f"Show number {n}" for n in range(200)] + ["w" * 300]
    message = str(unknown_show_error("Show numbr 150", shows))
    assert "Show number 150, " in message and message.endswith(" and 191 more.")
    assert len(str(unknown_show_error("wwwwww" * 40, shows))) < 500


def test_a_table_shows_as_many_rows_as_requested(clipmart: Clipmart) -> None:
    """Without --limit, as many as a person reads."""
    days = clipmart("report", "credit-usage").out
    assert "40 of 101 rows" in days
    assert len(clipmart("report", "credit-usage", "--limit", "90").out.splitlines()) > 90


def test_a_parquet_file_has_the_same_rows_and_types(clipmart: Clipmart, tmp_path: Path) -> None:
    """With instants in UTC, and lists; its path is printed."""
    file = tmp_path / "campaigns.parquet"
    options = ("video-readiness", "--no-links", "--format", "parquet", "--output", str(file))
    assert clipmart("report", *options).out == f"{file}\n"
    row: Any
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        row = con.execute(
            f"SELECT campaign_id, created_at, languages, stuck FROM '{file}'"
        ).fetchall()
    assert row == [("c-1", datetime(2026, 3, 11, 12, tzinfo=UTC), ["en", "ja"], False)]


def test_output_takes_every_format(clipmart: Clipmart, tmp_path: Path) -> None:
    """The file holds what would be printed."""
    file = tmp_path / "clips.csv"
    done = clipmart("report", "top-clips", "--format", "csv", "--output", str(file))
    assert (done.code, done.out) == (0, f"{file}\n")
    assert file.read_text() == clipmart("report", "top-clips", "--format", "csv").out
