"""The demo's numbers against the same month taken from the sandbox, without clipmart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from pipelines.demo import SEED
from pipelines.warehouse.read import attach, report_names
from sandbox import Sandbox, believable
from tests.support.demo_run import NOW, DemoRun

pytestmark = pytest.mark.xdist_group("demo")  # another worker would only wait for it

END = datetime.fromisoformat(NOW)


@pytest.fixture(scope="module")
def truth() -> Sandbox:
    """The month as its services know it."""
    world = Sandbox(seed=SEED, now=END, minute_seconds=0)
    world.relive(believable.month_of_use(SEED, END, balance=world.balance))
    return world


@pytest.fixture
def con(demo_run: DemoRun) -> Iterator[duckdb.DuckDBPyConnection]:
    with attach(demo_run.data_dir / "warehouse.duckdb", now=END) as connection:
        yield connection


def one(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    row = con.execute(sql).fetchone()
    assert row is not None
    return row


def test_every_report_has_rows(con: duckdb.DuckDBPyConnection) -> None:
    """No table of `reports` is empty."""
    names = report_names(con)
    assert len(names) == 17
    for name in names:
        assert one(con, f"SELECT count(*) FROM reports.{name}") > (0,), name


def test_every_job_is_there(con: duckdb.DuckDBPyConnection, truth: Sandbox) -> None:
    """Ids, statuses, lengths and completion of all jobs, as Klipit reports them at the end."""
    jobs = {id_: record.at(END) for id_, record in truth.jobs.items()}
    assert len(jobs) > 30
    landed = con.execute(
        "SELECT id, status, clip_count, duration_seconds, completed_at FROM klipit.jobs"
    ).fetchall()
    assert {row[0]: row[1:] for row in landed} == {
        id_: (
            job["status"],
            job["clip_count"],
            job["duration_seconds"],
            job["completed_at"] and datetime.fromisoformat(job["completed_at"]),
        )
        for id_, job in jobs.items()
    }
    assert {job["status"] for job in jobs.values()} >= {"complete", "failed", "transcribing"}


def test_every_clip_is_there(con: duckdb.DuckDBPyConnection, truth: Sandbox) -> None:
    """Scores of all clips of complete jobs; some clips have none."""
    clips = {
        clip["id"]: (id_, clip["shareability_score"])
        for id_, record in truth.jobs.items()
        if record.at(END)["status"] == "complete"
        for clip in record.clips
    }
    landed = con.execute("SELECT id, job_id, shareability_score FROM klipit.clips").fetchall()
    assert {row[0]: row[1:] for row in landed} == clips
    assert any(score is None for _, score in clips.values())
    scores = [score for _, score in clips.values() if score is not None]
    (best,) = one(con, "SELECT score FROM reports.top_clips WHERE rank = 1")
    assert best == max(scores)
    (total,) = one(con, "SELECT sum(clips)::INT FROM reports.moment_types")
    assert total == len(clips)


def test_shows_and_guests_are_known(con: duckdb.DuckDBPyConnection, truth: Sandbox) -> None:
    """What only the submission said stays with its job."""
    said = {
        id_: (record.submission["show_name"], record.submission.get("guest_name"))
        for id_, record in truth.jobs.items()
    }
    rows = con.execute(
        "SELECT job_id, show_name, guest_name, origin, state FROM klipit.submissions"
    ).fetchall()
    assert {row[0]: row[1:] for row in rows} == {
        id_: (*words, "submit", "known") for id_, words in said.items()
    }


def test_every_campaign_is_there(con: duckdb.DuckDBPyConnection, truth: Sandbox) -> None:
    """Campaigns and videos as last reported; stuck and failed ones among them."""
    seen = dict(con.execute("SELECT campaign_id, observed_at FROM clipus.campaigns").fetchall())
    assert seen.keys() == truth.campaigns.keys()
    campaigns = [record.at(seen[id_]) for id_, record in truth.campaigns.items()]
    rows = con.execute(
        """SELECT status, sum(videos)::INT, sum(published)::INT
           FROM reports.video_readiness GROUP BY status"""
    ).fetchall()
    videos: Counter[str] = Counter()
    published: Counter[str] = Counter()
    for campaign in campaigns:
        videos[campaign["status"]] += len(campaign["videos"])
        published[campaign["status"]] += sum(bool(v["published_at"]) for v in campaign["videos"])
    assert {status: (all_, out) for status, all_, out in rows} == {
        status: (videos[status], published[status]) for status in videos
    }
    counted = one(
        con,
        """SELECT count(*), sum(failed), count(*) FILTER (stuck), count(*) FILTER (settled)
           FROM reports.video_readiness""",
    )
    assert counted[0] == len(campaigns)
    assert counted[1] == sum(v["status"] == "failed" for c in campaigns for v in c["videos"])
    assert all(isinstance(count, int) and count > 0 for count in counted[2:])


def test_no_look_was_missed(con: duckdb.DuckDBPyConnection) -> None:
    """What was not settled was requested in the last day."""
    (missed,) = one(
        con,
        f"""SELECT count(*) FROM reports.video_readiness AS r JOIN clipus.campaigns AS c
            USING (campaign_id) WHERE NOT r.settled AND c.observed_at < '{NOW}'::TIMESTAMPTZ
            - INTERVAL 24 HOURS""",
    )
    assert missed == 0


def test_hours_to_ready_are_those_until_the_next_look(con: duckdb.DuckDBPyConnection) -> None:
    """Each campaign with a ready video was seen so within 26 hours, most within two."""
    hours = [
        row[0]
        for row in con.execute(
            "SELECT hours_to_ready FROM reports.video_readiness WHERE ready > 0"
        ).fetchall()
    ]
    assert None not in hours
    assert all(0 < hour < 26 for hour in hours)
    assert sum(hour < 2 for hour in hours) > len(hours) / 2
    assert len(set(hours)) > 5


def test_credits_reconcile(con: duckdb.DuckDBPyConnection, truth: Sandbox) -> None:
    """Used, added and left are Klipit's own numbers; nothing is netted against a top-up."""
    used = -sum(change.amount for change in truth.credit_changes if change.reason == "job")
    added = sum(change.amount for change in truth.credit_changes if change.reason == "top-up")
    assert added > 0
    totals = one(con, "SELECT sum(credits_used), sum(credits_added) FROM reports.credit_usage")
    assert totals == (used, added)
    day, left, days_left = one(
        con,
        """SELECT day, balance_close, days_left FROM reports.credit_usage
           ORDER BY day DESC LIMIT 1""",
    )
    assert (day, left) == (END.date(), truth.balance)
    assert isinstance(days_left, float)


def test_each_day_has_its_own_use(con: duckdb.DuckDBPyConnection, truth: Sandbox) -> None:
    """Credits used a day are those of the jobs submitted on it."""
    used: dict[object, float] = defaultdict(float)
    for change in truth.credit_changes:
        if change.reason == "job":
            used[change.at.astimezone(UTC).date()] -= change.amount
    rows = con.execute("SELECT day, credits_used FROM reports.credit_usage").fetchall()
    assert {day: credits for day, credits in rows if credits} == dict(used)
    assert len(rows) == 31


def test_the_used_up_month_shows(con: duckdb.DuckDBPyConnection, truth: Sandbox) -> None:
    """One submission was refused by the monthly quota; the report knows it from that answer."""
    month = END.date().replace(day=1)
    campaigns, videos, quota, seen = one(
        con,
        f"""SELECT campaigns, videos, quota, quota_seen_at FROM reports.video_quota
            WHERE month = '{month}'""",
    )
    made = [r for r in truth.campaigns.values() if str(r.fields["created_at"]) >= str(month)]
    allowed = truth.plans["growth"].videos_per_month
    assert (campaigns, videos <= allowed, quota) == (len(made), True, allowed)
    assert isinstance(seen, datetime)
    assert END - timedelta(days=30) < seen < END
    failed = one(con, "SELECT count(*) FROM clipus.submissions WHERE state = 'failed'")
    assert failed == (1,)


def test_stuck_jobs_show(con: duckdb.DuckDBPyConnection, truth: Sandbox) -> None:
    """Jobs unfinished for more than two hours are stuck; one that just began is not."""
    running = {
        id_: datetime.fromisoformat(job["created_at"])
        for id_, job in ((id_, record.at(END)) for id_, record in truth.jobs.items())
        if job["status"] not in ("complete", "failed")
    }
    rows = con.execute(
        """SELECT job_id, stuck FROM reports.job_turnaround
           WHERE status NOT IN ('complete', 'failed')"""
    ).fetchall()
    assert dict(rows) == {id_: born <= END - timedelta(hours=2) for id_, born in running.items()}
    assert {stuck for _, stuck in rows} == {True, False}
