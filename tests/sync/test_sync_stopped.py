"""SIGTERM at any moment of a sync: 75 and a sentence, and the next sync completes."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sandbox import Fault, Sandbox
from tests.support.clipmart import Clipmart

JOBS = 12


@pytest.fixture
def due(sandbox: Sandbox, prepared: Clipmart) -> Clipmart:
    """Twelve jobs, tracked and not yet fetched; every request takes some time."""
    for number in range(JOBS):
        sandbox.add_job(f"job_{number:02}", clips=2)
    sandbox.faults.plan([Fault("trickle", "/jobs/*", seconds=0.01, times=None)])
    prepared("track", "klipit", *(f"job_{number:02}" for number in range(JOBS)))
    shutil.copytree(prepared.data_dir, prepared.folder / "fresh")
    return prepared


def started(clipmart: Clipmart, *arguments: str) -> subprocess.Popen[str]:
    """The process, once it obeys signals: while Python itself starts, none can."""
    process = clipmart.start(*arguments)
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        caught = int(status.read_text().partition("SigCgt:\t")[2].split()[0], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            break
    return process


def stop_at(clipmart: Clipmart, seconds: float, number: signal.Signals) -> tuple[int, float]:
    """A sync on fresh data, stopped after so long and then completed; its code and its time."""
    shutil.rmtree(clipmart.data_dir)
    shutil.copytree(clipmart.folder / "fresh", clipmart.data_dir)
    process = started(clipmart, "sync")
    began = time.monotonic()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    took = time.monotonic() - began

    assert process.returncode in (0, 75), err
    assert "Traceback" not in err + out
    assert ("Stopped by a signal." in err) is (process.returncode == 75), err
    assert clipmart("sync").code == 0
    assert clipmart.rows("SELECT count(*), count(DISTINCT job_id) FROM klipit.clips") == [
        (2 * JOBS, JOBS)
    ]
    return process.returncode, took


@pytest.mark.parametrize(
    "moments", [2, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_a_signal_at_any_moment_is_75_and_the_next_sync_completes(
    due: Clipmart, moments: int
) -> None:
    """From the first import to the last line, SIGTERM and SIGINT in turn."""
    code, whole = stop_at(due, 60, signal.SIGTERM)
    assert code == 0
    chance = random.Random(moments)
    codes = [
        stop_at(due, chance.uniform(0, whole), (signal.SIGTERM, signal.SIGINT)[moment % 2])[0]
        for moment in range(moments)
    ]
    assert 75 in codes


@pytest.mark.parametrize("command", ["publish", "recover", "report"])
def test_a_signal_to_another_long_command_is_75_or_lets_it_end(
    synced: Clipmart, command: str
) -> None:
    """At its first import nothing has begun; the published file still opens."""
    process = started(synced, command)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 75, err
    assert (
        err == "clipmart: Stopped by a signal. What was saved before stays. Run the command "
        "again.\n"
    )
    assert synced.rows("SELECT count(*) FROM klipit.jobs") == [(3,)]
