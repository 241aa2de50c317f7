"""`--wait`: polled to the end, with progress, at the vendor's pace."""

from __future__ import annotations

import asyncio

import pytest

from pipelines.settings import Settings, load_settings
from pipelines.submissions.request import clipus_request, klipit_request
from pipelines.submissions.submit import submit
from sandbox import Fault, Sandbox
from tests.support.clipmart import Clipmart
from tests.support.ledger_view import only


@pytest.fixture
def settings(clipmart: Clipmart) -> Settings:
    environ = {**clipmart.environ, "CLIPMART_DATA_DIR": str(clipmart.data_dir)}
    return load_settings(environ, clipmart.folder)


class Pace:
    """A sleep that takes no time, and moves the sandbox's clock instead."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._sandbox.clock.advance(seconds=seconds)


def test_a_job_is_polled_every_15_s_until_it_is_complete(
    sandbox: Sandbox, settings: Settings
) -> None:
    """Each change is said once, and every quiet minute."""
    said: list[str] = []
    known: list[str] = []
    pace = Pace(sandbox)
    done = submit(
        settings,
        klipit_request(source_url="https://good.example/1"),
        wait=True,
        say=said.append,
        on_known=known.append,
        sleep=pace,
    )
    assert (done.state, done.status, done.error) == ("known", "complete", None)
    assert known == [done.id]
    assert set(pace.slept) == {15.0}
    assert sandbox.asked("GET", "/jobs/*") == len(pace.slept) + 1
    words = [line.split()[3].rstrip(",") for line in said]
    assert list(dict.fromkeys(words)) == ["queued", "transcribing", "clipping", "complete"]
    assert 4 <= len(said) <= 4 + len(pace.slept) / 4
    assert "clips" in said[-1]


def test_a_campaign_reports_how_many_videos_are_ready(sandbox: Sandbox, settings: Settings) -> None:
    """Until it is completed."""
    said: list[str] = []
    request = clipus_request(url="https://good.example/", languages=["en"])
    done = submit(settings, request, wait=True, say=said.append, sleep=Pace(sandbox))
    assert (done.status, done.error) == ("completed", None)
    assert "collecting" in said[0]
    assert "videos ready" in said[-1]


def test_a_job_that_fails_ends_with_1(sandbox: Sandbox, settings: Settings) -> None:
    """Submitted, known, and failed: the id stays."""
    request = klipit_request(source_url="https://failing.example/1")
    done = submit(settings, request, wait=True, sleep=Pace(sandbox))
    assert done.error is not None
    assert (done.state, done.error.exit_code) == ("known", 1)
    assert str(done.id) in str(done.error)


def test_a_job_that_does_not_end_is_left_to_the_sync(sandbox: Sandbox, settings: Settings) -> None:
    """75 after two hours, when it counts as stuck."""
    pace = Pace(sandbox)
    request = klipit_request(source_url="https://stuck.example/1")
    done = submit(settings, request, wait=True, sleep=pace)
    assert done.error is not None
    assert done.error.exit_code == 75
    assert sum(pace.slept) == 7200


def test_an_api_that_goes_down_meanwhile_costs_nothing(
    sandbox: Sandbox, settings: Settings, clipmart: Clipmart
) -> None:
    """75; the submission is known, and one POST was sent."""
    sandbox.faults.plan([Fault("error", "/jobs/*", times=None)])
    request = klipit_request(source_url="https://good.example/1")
    done = submit(settings, request, wait=True, sleep=Pace(sandbox))
    assert done.error is not None
    assert done.error.exit_code == 75
    assert "clipmart sync" in str(done.error)
    assert only(clipmart, "klipit")["state"] == "known"
    assert sandbox.asked("POST") == 1


def test_a_stop_while_waiting_loses_no_id(
    sandbox: Sandbox, settings: Settings, clipmart: Clipmart
) -> None:
    """Waiting can end at any time: nothing depends on it."""

    async def stop(_: float) -> None:
        raise asyncio.CancelledError

    request = klipit_request(source_url="https://good.example/1")
    done = submit(settings, request, wait=True, sleep=stop)
    assert done.error is not None
    assert (done.state, done.error.exit_code) == ("known", 75)
    assert only(clipmart, "klipit")["job_id"] == done.id


def test_the_command_waits(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """The id on stdout, progress on stderr, and one JSON object with --json."""
    sandbox.add_job("job_1", clips=2)
    sandbox.faults.plan([Fault("answer", "/jobs", "POST", times=None, body={"id": "job_1"})])
    done = clipmart("submit", "klipit", "--source-url", "https://a.example/", "--wait")
    assert (done.code, done.out) == (0, "job_1\n")
    assert "klipit: job_1 is complete with 2 clips" in done.err
    done = clipmart("submit", "klipit", "--source-url", "https://b.example/", "--wait", "--json")
    assert (done.json()["job_id"], done.json()["status"]) == ("job_1", "complete")
