"""Ctrl-C ends any command with 75 and a sentence, at any point."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.support.clipmart import Clipmart

ENDLESS = "SELECT max(a.range * b.range) FROM range(10000000) AS a, range(10000000) AS b"


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err


def once_it_obeys(process: subprocess.Popen[str]) -> None:
    """Wait until the handler is there: while Python itself starts, none can be."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        caught = int(status.read_text().partition("SigCgt:\t")[2].split()[0], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        (["query", ENDLESS], 0),
        (["query", ENDLESS], 1),
        (["report"], 0),
        (["status"], 0.05),
        (["docs"], 0.1),
    ],
    ids=str,
)
def test_ctrl_c_is_a_sentence(synced: Clipmart, command: list[str], seconds: float) -> None:
    """While it imports, reads or writes."""
    process = synced.start(*command)
    once_it_obeys(process)
    time.sleep(seconds)
    code, out, err = interrupted(process)
    assert "Traceback" not in out + err
    assert code == 75 or (code == 0 and command != ["query", ENDLESS])
    if code == 75:
        assert err == (
            "clipmart: Stopped by a signal. What was saved before stays. Run the command again.\n"
        )


def test_ctrl_c_while_doctor_waits_for_an_api(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """At once, not when the API answers."""
    sandbox.set_latency(30, "klipit")
    process = clipmart.start("doctor")
    while not sandbox.asked("GET") and process.poll() is None:
        time.sleep(0.02)
    began = time.monotonic()
    code, out, err = interrupted(process)
    assert time.monotonic() - began < 10
    assert (code, "Traceback" in out + err) == (75, False), err


def test_ctrl_c_while_submit_waits_for_the_end(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """The id is on stdout and in the ledger; the sentence says how to go on."""
    process = clipmart.start("submit", "klipit", "--source-url", "https://good.example/1", "--wait")
    assert process.stdout is not None
    id_ = process.stdout.readline().strip()
    while not sandbox.asked("GET", "/jobs/*") and process.poll() is None:
        time.sleep(0.02)
    code, _, err = interrupted(process)
    assert (code, "Traceback" in err) == (75, False)
    assert f"Stopped waiting. {id_} is submitted" in err
