"""kill -9 at random moments of a submission: the id, or a visible unknown, and never two POSTs."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sandbox import Fault, Sandbox, running
from tests.support.clipmart import Clipmart
from tests.support.forked_commands import ForkedCommands
from tests.support.ledger_view import submissions


def test_killed_at_twelve_moments(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """Every one leaves the truth or a question, none a loss."""
    kill_often(sandbox, clipmart, kills=12, seed=3)


@pytest.mark.soak
def test_killed_at_a_hundred_moments(clipmart: Clipmart) -> None:
    """The same, a hundred times, and each outcome among them."""
    with running(Sandbox(minute_seconds=0, balance=10_000.0)) as sandbox:
        clipmart.environ["KLIPIT_BASE_URL"] = sandbox.klipit_url
        clipmart.environ["CLIPUS_BASE_URL"] = sandbox.clipus_url
        sandbox.set_plan("growth", videos_per_month=10_000)
        outcomes = kill_often(sandbox, clipmart, kills=100, seed=4)
    assert outcomes.keys() == {"nothing", "unknown", "known"}


def kill_often(sandbox: Sandbox, clipmart: Clipmart, kills: int, seed: int) -> Counter[str]:
    """Submit so many times, killing each; returns what the ledger says of them."""
    chance = random.Random(seed)
    sandbox.faults.plan([Fault("trickle", method="POST", times=None, seconds=0.003)])
    outcomes: Counter[str] = Counter()
    with _forking(clipmart) as run:
        run(("klipit", "--source-url", "https://first.example/"), None)
        whole_seconds = run(("klipit", "--source-url", "https://whole.example/"), None)
        for number in range(kills):
            service = ("klipit", "clipus")[number % 2]
            url = f"https://good.example/{number}"
            option = "--source-url" if service == "klipit" else "--url"
            since = time.monotonic()
            run((service, option, url), chance.uniform(0, whole_seconds * 1.3))
            # A request that was on its way arrives after its sender's death.
            time.sleep(0.05)
            posts = sandbox.asked("POST", since=since)
            outcomes[_outcome(sandbox, clipmart, service, url, posts)] += 1
    return outcomes


def _outcome(sandbox: Sandbox, clipmart: Clipmart, service: str, url: str, posts: int) -> str:
    id_name, url_name = ("job_id", "source_url") if service == "klipit" else ("campaign_id", "url")
    records = sandbox.jobs if service == "klipit" else sandbox.campaigns
    made = [id_ for id_, record in records.items() if record.submission[url_name] == url]
    rows = [row for row in submissions(clipmart, service) if row[url_name] == url]
    assert posts <= 1
    assert len(made) <= posts
    if not rows:
        assert posts == 0, "a request without an intent"
        return "nothing"
    (row,) = rows
    if row["state"] == "unknown":
        assert row.get(id_name) is None
        refused = clipmart("submit", service, f"--{url_name.replace('_', '-')}", url)
        assert refused.code == 2
        assert row["submission_id"] in refused.err
    else:
        assert (row["state"], [row[id_name]]) == ("known", made)
    return str(row["state"])


@contextmanager
def _forking(clipmart: Clipmart) -> Iterator[Callable[[tuple[str, ...], float | None], float]]:
    """A function that submits in a fresh process and kills it after so many seconds.

    It returns how long the process lived.
    """
    with ForkedCommands(
        *("duckdb", "pipelines.submissions.request", "pipelines.submissions.submit"),
        "pipelines.warehouse",
    ) as commands:

        def run(arguments: tuple[str, ...], kill_after_seconds: float | None) -> float:
            began = time.monotonic()
            started = commands.start(clipmart, "submit", *arguments)
            if kill_after_seconds is not None:
                time.sleep(kill_after_seconds)
                os.kill(started[0], signal.SIGKILL)
            commands.wait(started)
            return time.monotonic() - began

        yield run
