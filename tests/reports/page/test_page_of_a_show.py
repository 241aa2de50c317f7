"""A page for one show or period, which an agency mails to that client."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.settings import Settings
from tests.support.clipmart import Clipmart
from tests.support.expected_reports import FINISHED, Landed, expected_reports
from tests.support.page_data import NOW, Rows

pytestmark = pytest.mark.xdist_group("page")  # the stores are created once

SHOW = "The Founders Podcast"
SINCE = date(2026, 4, 10)


def page_of(clipmart: Clipmart, *options: str) -> str:
    done = clipmart("report", "--html", "page.html", *options)
    assert done.code == 0, done.err
    return (clipmart.folder / "page.html").read_text()


def totals(page: str) -> dict[str, str]:
    """The figures in total: label to value."""
    figures = page[page.index('"figures totals"') :].partition("</dl>")[0]
    return dict(re.findall(r'<dt>(.*?)</dt><dd class="big">(.*?)</dd>', figures))


def jobs_of_show(landed: Rows) -> set[str]:
    data = Landed(landed)
    return {job["id"] for job in data.jobs if data.said(job["id"], "show_name") == SHOW}


def only(landed: Rows, jobs: set[str]) -> Rows:
    """The landed rows of these jobs, and of nothing else."""
    kept: Rows = {name: [] for name in landed}
    for name in ("clips", "clip_reads", "job_observations", "submissions"):
        rows = landed[f"klipit.{name}"]
        kept[f"klipit.{name}"] = [row for row in rows if row["job_id"] in jobs]
    kept["klipit.jobs"] = [row for row in landed["klipit.jobs"] if row["id"] in jobs]
    return kept


def test_nothing_of_other_shows_is_in_the_file(
    on_month: Clipmart, month: Settings, landed: Rows
) -> None:
    """No name, id, hook or link; nothing of campaigns, syncs or credits, which have no show."""
    page = unescape(page_of(on_month, "--show", SHOW.upper()))
    assert SHOW in page and "<h1>" in page
    mine = jobs_of_show(landed)
    with duckdb.connect(str(month.warehouse), read_only=True) as con:
        others = con.execute(
            """
            SELECT DISTINCT value FROM (
              UNPIVOT (
                SELECT job_id, clip_id, show_name, guest_name, episode, hook_suggestion, media_url
                FROM reports.clips
              ) ON clip_id, show_name, guest_name, episode, hook_suggestion, media_url
            ) WHERE job_id NOT IN (SELECT UNNEST($mine))
              AND value NOT IN (
                SELECT value FROM (
                  UNPIVOT (FROM reports.clips) ON clip_id, show_name, guest_name, episode,
                  hook_suggestion, media_url, moment_type
                ) WHERE job_id IN (SELECT UNNEST($mine))
              )
            UNION ALL SELECT id FROM klipit.jobs WHERE id NOT IN (SELECT UNNEST($mine))
            UNION ALL SELECT campaign_id FROM clipus.campaigns
            UNION ALL SELECT title FROM clipus.campaigns WHERE title LIKE 'My launch%'
            UNION ALL SELECT run_id FROM clipmart.sync_runs
            """,
            {"mine": sorted(mine)},
        ).fetchall()
    assert len(others) > 500
    body = page.partition("</style>")[2]
    assert [text for (text,) in others if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", body)] == []
    sections = set(re.findall(r'<section id="(\w+)"', page))
    assert sections <= {"next", "totals", "shareability", "moments", "operator"}
    assert not re.search("Last runs|Credits left|Videos ready", page)
    assert "Credits, videos and syncs belong to no show and are left out." in page


def test_the_numbers_are_those_of_the_show(on_month: Clipmart, landed: Rows) -> None:
    """As if nothing else had ever landed."""
    page = page_of(on_month, "--show", SHOW)
    rows = only(landed, jobs_of_show(landed))
    assert totals(page) == {
        "Episodes": str(len(rows["klipit.jobs"])),
        "Clips": str(len(rows["klipit.clips"])),
    }
    reports = expected_reports(rows, NOW)
    metrics = {row["metric"]: row for row in reports["last_7_days"]}
    assert f"<h1>{metrics['new_clips']['value']:.0f} new clips in the last 7 days</h1>" in page
    assert re.findall(r'<p class="why">(.*?)\.', page) == [
        row["why"] for row in sorted(reports["to_post"], key=lambda row: row["rank"])[:10]
    ]


def test_a_period_has_what_was_created_in_it(on_month: Clipmart, landed: Rows) -> None:
    """Episodes and campaigns since that day, and the credits of its days as the report has them."""
    page = page_of(on_month, "--since", str(SINCE))
    begin = datetime.combine(SINCE, datetime.min.time(), UTC)

    def since(table: str) -> list[dict[str, Any]]:
        return [row for row in landed[table] if row["created_at"] and row["created_at"] >= begin]

    jobs = {job["id"] for job in since("klipit.jobs")}
    clips = [clip for clip in landed["klipit.clips"] if clip["job_id"] in jobs]
    figures = totals(page)
    assert figures["Episodes"] == str(len(jobs)) and figures["Clips"] == str(len(clips))
    assert figures["Campaigns"] == str(len(since("clipus.campaigns")))
    wanted = expected_reports(landed, NOW)["credit_usage"]
    used = sum(row["credits_used"] or 0 for row in wanted if row["day"] >= SINCE)
    assert f"<div><dt>used in total</dt><dd>{used:,.10g}</dd></div>" in page
    days = page[page.index('data-report="credit_usage"') :].partition("</table>")[0]
    assert days.count("<tr") - 1 == sum(row["day"] >= SINCE for row in wanted)
    assert "Everything since 10 Apr 2026" in unescape(re.sub("<[^>]*>", "", page))
    assert "Last runs" not in page


def test_a_short_period_is_not_compared_with_the_days_before(on_month: Clipmart) -> None:
    """They are not on the page, so nothing would seem to have been there."""
    page = page_of(on_month, "--since", "2026-04-20")
    assert "in the last 7 days" not in page and "the 7 days before" not in page
    assert re.search(r"<h1>\d+ clips from \d+ episodes</h1>", page)


def test_both_together(on_month: Clipmart, landed: Rows) -> None:
    """The show's episodes of the period."""
    page = page_of(on_month, "--show", SHOW, "--since", str(SINCE))
    begin = datetime.combine(SINCE, datetime.min.time(), UTC)
    mine = jobs_of_show(landed)
    jobs = [
        job
        for job in landed["klipit.jobs"]
        if job["id"] in mine and job["created_at"] and job["created_at"] >= begin
    ]
    assert totals(page)["Episodes"] == str(len(jobs))
    assert sum(job["status"] in FINISHED for job in jobs) > 0


def test_a_period_with_nothing_says_so(on_month: Clipmart) -> None:
    page = page_of(on_month, "--since", "2026-06-01", "--show", SHOW)
    words = " ".join(unescape(re.sub("<[^>]*>", " ", page.partition("</style>")[2])).split())
    assert f"No episode of {SHOW} since 1 Jun 2026 is loaded." in words
    assert "clipmart report --html page.html" in words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--show", "Founders Podcast"], f"There is no show 'Founders Podcast'. There are: {SHOW}"),
        (["--since", "April"], "'April' is not a date. --since takes one such as 2026-11-01."),
        (["--sort", "score"], "nor another option but --show, --since and --no-links"),
    ],
)
def test_what_does_not_exist_is_one_line(
    on_month: Clipmart, options: list[str], message: str
) -> None:
    """Exit 2, with what there is, and no page."""
    done = on_month("report", "--html", "page.html", *options)
    assert done.code == 2
    assert message in done.err and len(done.err.splitlines()) == 1
    assert not Path(on_month.folder, "page.html").exists()
