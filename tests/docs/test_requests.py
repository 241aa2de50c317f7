"""The page on the requests of a job gives the numbers that the sandbox counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.support.clipmart import Clipmart
from tests.support.listen_client import SECRET, ended, start_listener

PAGE = Path(__file__).parents[2] / "docs" / "requests.md"
WHAT = {
    "a job that is complete with clips when first polled": "job_clips",
    "a job that is complete without clips": "job_empty",
    "a job that failed": "job_failed",
    "a job with a webhook, synced when it is created and after its `job.complete`": "webhook",
    "a job that takes 40 minutes, synced every 15 minutes from the start, no webhook": "job_slow",
    "a job that this key does not see (404)": "job_gone",
    "a campaign that is finished with every video published": "c-done",
    "a campaign whose last video is published on the third day, synced daily from the start": "c-3",
    "any of them in every later sync": "later",
}
TIMES = [
    *(f"2026-04-08T{time}:00Z" for time in ("12:00", "12:15", "12:30", "12:45")),
    *(f"2026-04-{day:02}T12:30:00Z" for day in (9, 10, 11, 12)),
]


@pytest.fixture
def webhook_job(sandbox: Sandbox, landing_only: Clipmart) -> Iterator[str]:
    """A job that the sandbox creates at 12:00 and reports to a running receiver."""
    # Its clock is later than both events: an event dated ahead counts as of its arrival.
    environ = {**landing_only.environ, "CLIPMART_NOW": "2026-04-08T12:05:00Z"}
    listener = start_listener(landing_only.folder, environ)
    sandbox.webhooks.url = listener.url + "/webhooks/klipit"
    sandbox.webhooks.secret = SECRET
    with ended([listener]):
        yield sandbox.submit_job({"source_url": "https://good.example/1"})


def test_the_page_gives_the_requests_that_are_sent(
    sandbox: Sandbox, landing_only: Clipmart, webhook_job: str
) -> None:
    """Each row of its table is done once, and the sandbox counts."""
    sandbox.add_job("job_clips", clips=3)
    sandbox.add_job("job_empty", clips=0)
    sandbox.add_job("job_failed", status="failed")
    sandbox.add_job("job_slow", status="processing", clips=2)
    published = {"platform": "x", "status": "ready", "published_at": "2026-04-08T11:59:00Z"}
    waiting = {"id": "v2", "platform": "x", "status": "ready", "published_at": None}
    sandbox.add_campaign("c-done", videos=[{"id": "v1", **published}])
    sandbox.add_campaign("c-3", videos=[{"id": "v1", **published}, waiting])
    jobs = ["job_clips", "job_empty", "job_failed", "job_slow", "job_gone"]
    landing_only("track", "klipit", *jobs)
    landing_only("track", "clipus", "c-done", "c-3")

    for now in TIMES:
        sandbox.clock.set(now)
        landing_only.at(now)
        if now == TIMES[3]:
            sandbox.update_job("job_slow", status="complete", completed_at="2026-04-08T12:40:00Z")
        if now == TIMES[-2]:
            third_day = {"published_at": "2026-04-11T12:00:00Z"}
            sandbox.update_campaign("c-3", videos=[{"id": "v1", **published}, waiting | third_day])
        sandbox.deliver_due_webhooks()
        if now == TIMES[-1]:
            counted = count(sandbox, webhook_job)
            sandbox.forget_requests()
        landing_only("sync")
    later = sandbox.asked("GET", "/jobs/*"), sandbox.asked("GET", "*/campaigns/*")
    counted["later"] = (sum(later), sandbox.asked("GET", "/jobs/*/clips"))

    assert {what: counted[id_] for what, id_ in WHAT.items()} == documented()


def count(sandbox: Sandbox, webhook_job: str) -> dict[str, tuple[int, int]]:
    """(polls, clip reads) that arrived, by case."""
    counted = {}
    for case in WHAT.values():
        id_ = webhook_job if case == "webhook" else case
        polls = sandbox.asked("GET", f"/jobs/{id_}") + sandbox.asked("GET", f"*/campaigns/{id_}")
        counted[case] = (polls, sandbox.asked("GET", f"/jobs/{id_}/clips"))
    return counted


def documented() -> dict[str, tuple[int, int]]:
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \|$", PAGE.read_text(), flags=re.M)
    return {what: (int(polls), int(reads)) for what, polls, reads in rows}
