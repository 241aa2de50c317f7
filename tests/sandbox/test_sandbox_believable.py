"""The month of use has data for every report."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import mean
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.believable import MOMENTS, month_of_use
from sandbox.server import preload

ENDS = [
    datetime(2026, 11, 22, 1, 40, tzinfo=UTC),
    datetime(2026, 3, 1, 9, 20, tzinfo=UTC),
    datetime(2026, 1, 2, 23, 59, 59, tzinfo=UTC),
    datetime(2028, 2, 29, 12, 0, tzinfo=UTC),
]


@pytest.fixture(params=[(seed, end) for seed in (0, 1) for end in ENDS], ids=str)
def month(request: pytest.FixtureRequest) -> Any:
    """A sandbox on which a month was submitted, and the plan of that month."""
    seed, end = request.param
    sandbox = Sandbox(seed=seed, now=end, minute_seconds=0)
    uses = month_of_use(seed, end)
    sandbox.relive(uses)
    return sandbox, uses


def test_a_month_is_within_its_thirty_days_in_order(month: Any) -> None:
    """Thirty days and no instant after the end; the same plan every time."""
    sandbox, uses = month
    end = sandbox.clock.now()
    instants = [use.at for use in uses]
    assert instants == sorted(instants)
    assert end - timedelta(days=31) < instants[0] < end - timedelta(days=26)
    assert instants[-1] <= end
    assert uses == month_of_use(sandbox.seed, end)
    assert 35 <= sum(use.service == "klipit" for use in uses) <= 70
    urls = [use.body.get("source_url") or use.body.get("url") for use in uses]
    assert not [url for url, times in Counter(urls).items() if url and times > 1]


def test_every_outcome_of_a_job_occurs(month: Any) -> None:
    """Complete, failed, empty, stuck, and one that still runs at the end."""
    sandbox, _ = month
    now = sandbox.clock.now()
    jobs = [job.at(now) for job in sandbox.jobs.values()]
    statuses = Counter(job["status"] for job in jobs)
    assert statuses["complete"] > 25
    assert statuses["failed"] >= 1
    assert sum(job["clip_count"] == 0 for job in jobs) >= 1
    running = [job for job in jobs if job["status"] in ("queued", "transcribing", "clipping")]
    ages = [now - datetime.fromisoformat(job["created_at"]) for job in running]
    assert max(ages) > timedelta(hours=2)
    assert min(ages) < timedelta(hours=2)


def test_moments_differ_by_type(month: Any) -> None:
    """All eight types, founder reveals well above how-tos, some clips unscored, fractions."""
    sandbox, _ = month
    clips = [clip for job in sandbox.jobs.values() for clip in job.clips]
    by_type = {
        kind: [
            clip["shareability_score"]
            for clip in clips
            if clip["moment_type"] == kind and clip["shareability_score"] is not None
        ]
        for kind in MOMENTS
    }
    assert all(by_type.values())
    assert mean(by_type["founder_reveal"]) > mean(by_type["how_to"]) + 8
    assert any(clip["shareability_score"] is None for clip in clips)
    assert any(clip["start_seconds"] != int(clip["start_seconds"]) for clip in clips)
    assert all(clip["end_seconds"] > clip["start_seconds"] >= 0 for clip in clips)
    assert len({clip["id"] for clip in clips}) == len(clips)


def test_every_outcome_of_a_campaign_occurs(month: Any) -> None:
    """Completed, failed, stuck, and completed with a video pending; published and not."""
    sandbox, _ = month
    now = sandbox.clock.now()
    campaigns = [campaign.at(now) for campaign in sandbox.campaigns.values()]
    assert {campaign["status"] for campaign in campaigns} >= {"completed", "failed", "rendering"}
    pending = [
        campaign
        for campaign in campaigns
        if campaign["status"] == "completed"
        and any(video["status"] == "rendering" for video in campaign["videos"])
    ]
    assert pending
    videos = [video for campaign in campaigns for video in campaign["videos"]]
    assert any(video["published_at"] for video in videos)
    assert any(video["status"] == "ready" and not video["published_at"] for video in videos)


def test_one_campaign_of_the_month_reaches_the_quota(month: Any) -> None:
    """Exactly one submission is refused, and every other one is accepted."""
    sandbox, uses = month
    planned = [use for use in uses if use.service == "clipus"]
    assert len(planned) == len(sandbox.campaigns) + 1
    assert max(sandbox.videos_used.values()) == sandbox.plans["growth"].videos_per_month


def test_credits_fall_and_are_topped_up(month: Any) -> None:
    """No submission is refused, the balance stays positive and is topped up at least once."""
    sandbox, uses = month
    assert len(sandbox.jobs) == sum(use.service == "klipit" for use in uses)
    assert min(change.balance for change in sandbox.credit_changes) >= 0
    assert {change.reason for change in sandbox.credit_changes} == {"job", "top-up"}
    assert 150 + sum(change.amount for change in sandbox.credit_changes) == sandbox.balance


def test_a_preloaded_sandbox_can_still_be_used() -> None:
    """The month's videos are given back, and the clock is unchanged."""
    sandbox = Sandbox(now="2026-04-08T12:00:00Z")
    preload(sandbox)
    assert len(sandbox.jobs) > 30
    assert sandbox.submit_campaign({"url": "https://good.example/"}) in sandbox.campaigns
    assert sandbox.clock.now() == datetime(2026, 4, 8, 12, tzinfo=UTC)
