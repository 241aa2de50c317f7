"""Slow answers over real HTTP: the quota is used up, and neither service delays the other."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from sandbox import Fault, Sandbox, running
from tests.support.clipmart import NOW, Clipmart


def test_the_quota_is_used_up_with_slow_answers_without_a_429(
    tmp_path: Path, landing_only: Clipmart
) -> None:
    """150 jobs, answers after 1/12 of a minute: three windows; four at a time would need eight."""
    minute, latency = 1.5, 0.125
    with running(Sandbox(now=NOW, minute_seconds=minute, latency_seconds=latency)) as sandbox:
        landing_only.environ |= {
            "KLIPIT_BASE_URL": sandbox.klipit_url,
            "CLIPMART_MINUTE_SECONDS": str(minute),
        }
        ids = [f"job_{number:03}" for number in range(150)]
        for id_ in ids:
            sandbox.add_job(id_, clips=1)
        landing_only("track", "klipit", *ids)

        done = landing_only("sync", "klipit", "--json").json()["services"]["klipit"]

    polls = [r.monotonic for r in sandbox.requests if r.path.count("/") == 2]
    assert (done["remaining"], done["refused"]) == (0, 0)
    assert sandbox.asked(status=429) == 0
    # Four at a time, a poll and a read of clips each: 150 / 4 x 2 x 0.125 s.
    assert 2 * minute <= polls[-1] - polls[0] < 0.75 * 150 / 4 * 2 * latency


def test_two_slow_services_both_land(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers take longer than opening a connection may: no request waits for another's."""
    monkeypatch.setattr("sources.shared.http.CONNECT_SECONDS", 0.3)
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    for number in range(20):
        sandbox.add_job(f"job_{number:02}", clips=1)
        sandbox.add_campaign(f"c-{number:02}", status="rendering")
    landing_only("track", "klipit", *(f"job_{number:02}" for number in range(20)))
    landing_only("track", "clipus", *(f"c-{number:02}" for number in range(20)))
    sandbox.set_latency(0.6)

    done = landing_only("sync", "--json")

    assert done.code == 0, done.err
    assert landing_only.rows("SELECT count(*) FROM klipit.clip_reads") == [(20,)]
    assert landing_only.rows("SELECT count(*) FROM clipus.campaigns") == [(20,)]


IMPATIENT = """
import pipelines.sync.services
pipelines.sync.services.PUBLISH_AFTER_SECONDS = 0.2
from pipelines import stop
stop.install()
from pipelines.cli import main
main(["sync", "--json"], prog_name="clipmart")
"""


def test_what_one_service_landed_is_published_while_the_other_hangs(
    sandbox: Sandbox, prepared: Clipmart
) -> None:
    """Klipit's rows can be read while the same sync waits for Clipus; then it continues."""
    for number in range(3):
        sandbox.add_job(f"job_{number}", clips=2)
        sandbox.add_campaign(f"c-{number}", status="rendering")
    prepared("track", "klipit", "job_0", "job_1", "job_2")
    prepared("track", "clipus", "c-0", "c-1", "c-2")
    sandbox.set_latency(1000.0, "clipus")
    process = prepared.start_python(IMPATIENT)
    try:
        while not prepared.warehouse.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        assert prepared.rows("SELECT count(*) FROM klipit.clips") == [(6,)]
        assert prepared.rows("SELECT count(*) FROM clipus.campaigns") == [(0,)]
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == 75, err
    assert '"published": true' in out
    sandbox.set_latency(0.0)
    assert prepared("sync").code == 0
    assert prepared.rows("SELECT count(*) FROM clipus.campaigns") == [(3,)]


def test_a_slow_balance_delays_no_poll(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its path is undocumented: if it hangs, jobs are polled meanwhile, and it lands too."""
    monkeypatch.setattr("pipelines.sync.services.BALANCE_FIRST_SECONDS", 0.1)
    sandbox.add_job("job_1", clips=1)
    landing_only("track", "klipit", "job_1")
    sandbox.faults.plan([Fault("trickle", "/account", seconds=0.1)])  # in sixteen pieces

    assert landing_only("sync", "klipit").code == 0

    account, poll, _ = (request.monotonic for request in sandbox.requests)
    assert poll - account < 1.0
    assert landing_only.rows("SELECT count(*) FROM klipit.account_snapshots") == [(1,)]
