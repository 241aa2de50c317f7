"""One sync at a time, within the limits, ended by a signal or by --max-minutes."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from sandbox import Fault, Sandbox, running
from tests.support.clipmart import NOW, Clipmart


def test_a_second_sync_ends_at_once_naming_the_first(sandbox: Sandbox, prepared: Clipmart) -> None:
    """Exit 75 with the lock holder's process and start; the lock of a killed holder is free."""
    sandbox.add_job("job_1", clips=0)
    prepared("track", "klipit", "job_1")
    sandbox.faults.plan([Fault("trickle", "/jobs/*", seconds=3.0)])
    holder = prepared.start("sync")
    try:
        while not sandbox.asked("GET", "/jobs/job_1"):
            assert holder.poll() is None
            time.sleep(0.01)
        began = time.monotonic()
        second = prepared("sync")
        assert time.monotonic() - began < 2
    finally:
        holder.kill()
        holder.communicate()

    assert second.code == 75
    assert str(holder.pid) in second.err and "2026-04-08" in second.err
    assert str(prepared.data_dir / "state/lock") in second.err
    sandbox.faults.clear()
    assert prepared("sync").code == 0


def test_sigterm_loads_the_chunk_in_hand_and_ends_with_75(
    sandbox: Sandbox, prepared: Clipmart
) -> None:
    """What was fetched before the signal is published; the rest is still due."""
    for number in range(30):
        sandbox.add_job(f"job_{number:02}", clips=0)
    prepared("track", "klipit", *(f"job_{number:02}" for number in range(30)))
    # Three ids wait for an answer that does not come within this test.
    sandbox.faults.plan([Fault("trickle", "/jobs/job_0[0-2]", seconds=5.0, times=None)])
    process = prepared.start("sync", "--json")
    while sandbox.asked("GET", "/jobs/*", status=200) < 15:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 75, err
    assert "Traceback" not in err
    (published,) = prepared.rows("SELECT count(*) FROM klipit.jobs")[0]
    assert 1 <= published < 30


def test_max_minutes_ends_with_0_and_something_remaining(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """The next run continues where this one ended."""
    for number in range(8):
        sandbox.add_job(f"job_{number}", clips=0)
    landing_only("track", "klipit", *(f"job_{number}" for number in range(8)))
    sandbox.faults.plan([Fault("trickle", "/jobs/job_[0-3]", seconds=9.0, times=None)])

    first = landing_only("sync", "--max-minutes", "0.02", "--json")
    assert first.code == 0
    assert first.json()["services"]["klipit"]["remaining"] > 0

    sandbox.faults.clear()
    assert landing_only("sync").code == 0
    assert landing_only.rows("SELECT count(*) FROM klipit.jobs") == [(8,)]


def test_a_dry_run_requests_nothing(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """It reports what is due, and no request is sent."""
    landing_only("track", "klipit", "job_1", "job_2")

    done = landing_only("sync", "--dry-run", "--json")

    assert done.json()["services"]["klipit"]["due"] == 2
    assert sandbox.requests == []


def test_the_documented_limits_are_reached_without_a_429(tmp_path: Path) -> None:
    """150 jobs with a minute of 1.5 s need two whole minutes; no request is refused."""
    with running(Sandbox(now=NOW, minute_seconds=1.5)) as sandbox:
        clipmart = Clipmart(
            tmp_path,
            {
                "KLIPIT_BASE_URL": sandbox.klipit_url,
                "KLIPIT_API_KEY": "klipit_sk_sandbox",
                "CLIPMART_MINUTE_SECONDS": "1.5",
                "CLIPMART_NOW": NOW,
            },
        )
        ids = [f"job_{number:03}" for number in range(150)]
        for id_ in ids:
            sandbox.add_job(id_, clips=1)
        clipmart("track", "klipit", *ids)
        done = clipmart("sync", "--json").json()["services"]["klipit"]

    assert done["refused"] == 0
    assert sandbox.asked(status=429) == 0
    polls = [r.monotonic for r in sandbox.requests if r.path.count("/") == 2]
    assert polls[149] - polls[0] >= 2 * 1.5


def test_dlts_packages_of_old_loads_are_removed(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """All but the latest ten: otherwise a sync every few minutes would fill the disk in time."""
    loaded = landing_only.data_dir / "state/dlt/klipit/load/loaded"
    for number in range(30):
        (loaded / f"1700000000.{number:04}").mkdir(parents=True)
    sandbox.add_job("job_1", clips=1)
    landing_only("track", "klipit", "job_1")

    assert landing_only("sync").code == 0

    packages = sorted(path.name for path in loaded.iterdir())
    assert len(packages) == 10
    assert packages[-1] > "1700000000.0029" > packages[0]
