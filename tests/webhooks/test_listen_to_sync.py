"""From the vendor's call to the reader's table: an event makes its job due and does no more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox import Sandbox
from tests.support.clipmart import Clipmart
from tests.support.listen_client import SECRET, Start, event, sign


@pytest.fixture
def clipmart(landing_only: Clipmart) -> Any:
    """What is published is other tests' business."""
    return landing_only


def listening(start: Start, sandbox: Sandbox, clipmart: Clipmart) -> Any:
    """A receiver that the sandbox calls, as Klipit would."""
    listener = start(CLIPMART_NOW=clipmart.environ["CLIPMART_NOW"])
    sandbox.webhooks.url = listener.url + "/webhooks/klipit"
    sandbox.webhooks.secret = SECRET
    return listener


def test_a_job_known_by_its_events_is_polled_once_complete(
    start: Start, sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """job.created alone waits; job.complete makes it due, and everything of it lands."""
    listening(start, sandbox, clipmart)
    job_id = sandbox.submit_job({"source_url": "https://good.example/1"})
    assert sandbox.deliver_due_webhooks() == 1
    clipmart.at("2026-04-08T12:01:00Z")
    assert clipmart("sync", "klipit").code == 0
    assert sandbox.asked("GET", f"/jobs/{job_id}") == 0
    assert clipmart.rows("SELECT job_id, origin, state FROM klipit.submissions") == [
        (job_id, "webhook", "known")
    ]

    sandbox.clock.advance(minutes=14)
    assert sandbox.deliver_due_webhooks() == 1
    clipmart.at("2026-04-08T12:14:00Z")  # within the 15 minutes that job.created waits
    assert clipmart("sync", "klipit").code == 0
    assert sandbox.asked("GET", f"/jobs/{job_id}") == 1
    assert clipmart.rows("SELECT id, status FROM klipit.jobs") == [(job_id, "complete")]
    ((clip_count,),) = clipmart.rows("SELECT clip_count FROM klipit.jobs")
    assert clipmart.rows("SELECT count(*) FROM klipit.clips") == [(clip_count,)]
    events = clipmart.rows(
        "SELECT event, job_id, clip_count, error, received_at FROM klipit.webhook_events "
        "ORDER BY event DESC"
    )
    received_at = datetime(2026, 4, 8, 12, tzinfo=UTC)
    assert events == [
        ("job.created", job_id, None, None, received_at),
        ("job.complete", job_id, clip_count, None, received_at),
    ]

    assert clipmart("sync", "klipit").code == 0
    assert sandbox.asked("GET", f"/jobs/{job_id}") == 1


def test_job_created_waits_a_quarter_of_an_hour(
    start: Start, sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """A job.complete that was lost costs 15 minutes, not the job."""
    listening(start, sandbox, clipmart)
    job_id = sandbox.submit_job({"source_url": "https://good.example/1"})
    sandbox.deliver_due_webhooks()
    sandbox.clock.advance(minutes=15)
    for minute, asked in (14, 0), (15, 1):
        clipmart.at(f"2026-04-08T12:{minute}:00Z")
        assert clipmart("sync", "klipit").code == 0
        assert sandbox.asked("GET", f"/jobs/{job_id}") == asked


def test_odd_events_land_as_they_came(start: Start, sandbox: Sandbox, clipmart: Clipmart) -> None:
    """Nothing that the receiver saves can stop a load."""
    listener = listening(start, sandbox, clipmart)
    sandbox.add_job("job_1", clips=1)
    odd = [
        event("job_1", "job.\x00nul", error="a\x00b \ud800 \U0001f399"),
        event("job_1", "", timestamp="0001-01-01T00:00:00Z", clip_count=-(2**63)),
        event("job_1", "x" * 60_000, timestamp="9999-12-31T23:59:59.999999Z"),
        event("j\u00f6b'\"; DROP TABLE x--".replace(" ", "_"), "job.failed"),
    ]
    assert [listener.klipit(body, sign(body)) for body in odd] == [200] * 4
    outcome = clipmart("sync", "klipit")
    assert outcome.code == 1  # the impossible job is not found, which is recorded
    assert clipmart.rows("SELECT count(*) FROM klipit.webhook_events") == [(4,)]
    assert clipmart.rows("SELECT event, error FROM klipit.webhook_events WHERE error <> ''") == [
        ("job.\x00nul", "a\x00b ? \U0001f399")
    ]
    assert clipmart.rows("SELECT id FROM klipit.jobs") == [("job_1",)]


def test_a_clipus_call_makes_its_campaign_due(
    start: Start, sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """A hint is enough to be polled before the ladder would."""
    sandbox.add_campaign("c-1", status="rendering", created_at="2026-04-08T12:00:00Z")
    assert clipmart("track", "clipus", "c-1").code == 0
    for now, hinted, asked in (
        ("2026-04-08T12:00:00Z", False, 1),
        ("2026-04-08T12:00:05Z", False, 1),
        ("2026-04-08T12:00:06Z", True, 2),
    ):
        sandbox.clock.set(now)
        clipmart.at(now)
        if hinted:
            assert start(CLIPMART_NOW=now).clipus({"campaign_id": "c-1"}) == 200
        assert clipmart("sync", "clipus").code == 0
        assert sandbox.asked("GET", "/api/v1/campaigns/c-1") == asked
