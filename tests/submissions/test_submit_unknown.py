"""A submission whose answer is lost: visible, never sent again by itself, tied by hand."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import sources.clipus.settings
from pipelines.ledger.ledger import Event, Ledger
from sandbox import Fault, Sandbox
from sources.shared.slots import RateSlots
from tests.support.clipmart import Clipmart
from tests.support.ledger_view import only, submissions

ARGUMENTS = {
    "klipit": ("klipit", "--source-url", "https://good.example/1"),
    "clipus": ("clipus", "--url", "https://good.example/"),
}
ANSWERLESS = [
    *("drop", "lost", "error", "bad_gateway", "unavailable"),
    *("truncated", "malformed", "empty", "wrong_shape"),
]


@pytest.mark.parametrize(
    ("service", "kind"),
    [*(("klipit", kind) for kind in ANSWERLESS), ("clipus", "lost"), ("clipus", "bad_gateway")],
)
def test_a_lost_answer_is_outcome_unknown_and_one_post(
    sandbox: Sandbox, clipmart: Clipmart, service: str, kind: str
) -> None:
    """75; the message says how to tie it; the URL is refused until --again says otherwise."""
    sandbox.faults.plan([Fault(kind, method="POST")])
    done = clipmart("submit", *ARGUMENTS[service])
    assert (done.code, done.out) == (75, "")
    assert sandbox.asked() == 1
    row = only(clipmart, service)
    assert row["state"] == "unknown"
    assert row["error"]
    assert f"clipmart track {service} ID --intent {row['submission_id']}" in done.err

    refused = clipmart("submit", *ARGUMENTS[service])
    assert refused.code == 2
    assert row["submission_id"] in refused.err
    assert sandbox.asked() == 1
    assert clipmart("submit", *ARGUMENTS[service], "--again").code == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [(408, {"error": "slow"}), (303, b""), (302, b""), (200, {"id": 7}), (201, {"id": "a/b"})],
)
def test_an_answer_that_leaves_it_open_is_unknown(
    sandbox: Sandbox, clipmart: Clipmart, status: int, body: object
) -> None:
    """The server gave up, redirects, or answers without a usable id."""
    sandbox.faults.plan([Fault("answer", status=status, body=body)])
    assert clipmart("submit", *ARGUMENTS["klipit"]).code == 75
    assert only(clipmart, "klipit")["state"] == "unknown"
    assert sandbox.asked() == 1


def test_a_time_out_is_unknown_and_tied_by_hand(
    sandbox: Sandbox, clipmart: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The campaign exists although its answer was lost; `track --intent` restores its metadata."""
    monkeypatch.setattr(sources.clipus.settings, "SUBMIT_SECONDS", 0.4)
    sandbox.campaign_open_seconds = 1.5
    done = clipmart("submit", *ARGUMENTS["clipus"], "--title", "T", "--json")
    assert done.code == 75
    document = done.json()
    assert (document["state"], document["campaign_id"]) == ("unknown", None)
    assert sandbox.asked("POST") == 1
    (campaign_id,) = sandbox.campaigns

    assert clipmart("track", "clipus", campaign_id, "--intent", document["submission_id"]).code == 0
    row = only(clipmart, "clipus")
    assert (row["state"], row["campaign_id"], row["title"]) == ("known", campaign_id, "T")
    assert row["error"] is None


def test_killed_while_it_waits_leaves_a_visible_unknown(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """The intent guards its URL while the request is under way, and after kill -9."""
    with _submitting(sandbox, clipmart) as process:
        meanwhile = clipmart("submit", *ARGUMENTS["clipus"])
        assert meanwhile.code == 2
        assert "on its way" in meanwhile.err
        process.kill()
        process.wait()
    row = only(clipmart, "clipus")
    assert (row["state"], row["url"]) == ("unknown", "https://good.example/")
    refused = clipmart("submit", *ARGUMENTS["clipus"])
    assert refused.code == 2
    assert row["submission_id"] in refused.err
    assert sandbox.asked("POST") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_it_waits_says_so(
    sandbox: Sandbox, clipmart: Clipmart, number: signal.Signals
) -> None:
    """A signal ends it with 75 and the same words as any unknown outcome."""
    with _submitting(sandbox, clipmart) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 75
    assert "outcome unknown" in err
    assert only(clipmart, "clipus")["state"] == "unknown"


def test_a_file_that_breaks_off_is_unknown(
    sandbox: Sandbox, clipmart: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails in the middle of an upload leaves the intent, and says so."""
    (clipmart.folder / "e.mp3").write_bytes(b"x" * 300_000)
    read = _fails_after(2)
    monkeypatch.setattr("httpx._multipart.FileField.render_data", read)
    done = clipmart("submit", "klipit", "--file", "e.mp3")
    assert done.code == 75
    assert "could not be read" in done.err
    assert only(clipmart, "klipit")["state"] == "unknown"


@pytest.mark.parametrize("service", ["klipit", "clipus"])
def test_an_answer_that_cannot_be_recorded_is_printed(
    sandbox: Sandbox, clipmart: Clipmart, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the id arrives: it goes to stdout, with the command that records it."""
    clipmart.environ["CLIPMART_MINUTE_SECONDS"] = "1"

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    add = Ledger.add

    def full_for_answers(self: Ledger, events: list[Event], *check: Callable[[], None]) -> int:
        if events[0].kind == "answer":
            full()
        return add(self, events, *check)

    monkeypatch.setattr(Ledger, "add", full_for_answers)
    monkeypatch.setattr(RateSlots, "answered", full)
    monkeypatch.setattr(RateSlots, "learn", full)
    done = clipmart("submit", *ARGUMENTS[service])
    (id_,) = sandbox.jobs | sandbox.campaigns
    assert (done.code, done.out.strip()) == (3, id_)
    intent = submissions(clipmart, service)[0]["submission_id"]
    assert f"clipmart track {service} {id_} --intent {intent}" in done.err


@contextmanager
def _submitting(sandbox: Sandbox, clipmart: Clipmart) -> Iterator[subprocess.Popen[str]]:
    """A process whose request Clipus has taken and not answered."""
    sandbox.campaign_open_seconds = 30
    process = clipmart.start("submit", *ARGUMENTS["clipus"])
    try:
        give_up = time.monotonic() + 30
        while not sandbox.campaigns:
            assert time.monotonic() < give_up
            assert process.poll() is None
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.communicate()


def _fails_after(pieces: int) -> Callable[[object], Iterator[bytes]]:
    def render(_: object) -> Iterator[bytes]:
        for _piece in range(pieces):
            yield b"x" * 1000
        raise OSError(5, os.strerror(5))

    return render
