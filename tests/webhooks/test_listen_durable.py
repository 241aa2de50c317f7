"""What was answered 2xx is in the ledger: under load, and after a kill at any moment."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.listen_client import Listener, Start, event, flood


def job_events(count: int, name: str) -> Iterator[bytes]:
    return (event(f"job_{name}_{n}", clip_count=n) for n in range(count))


def test_hundreds_at_once_are_each_saved_once(listener: Listener) -> None:
    """1,000 events and every fifth of them again, over 50 connections."""
    bodies = list(job_events(1000, "load"))
    sent = bodies + bodies[::5]
    random.Random(3).shuffle(sent)
    answers = flood(listener.url, sent, connections=50)
    assert Counter(each.status for each in answers) == {200: 1200}
    saved = Counter(subject for _, subject in listener.saved())
    assert saved == {json.loads(body)["job_id"]: 1 for body in bodies}


def kill_in_the_middle(start: Start, number: int, rng: random.Random) -> int:
    """Kill a receiver while events stream in; returns how many it had answered 2xx."""
    listener = start()
    enough = rng.randint(1, 600)

    def kill_soon(answers: int) -> None:
        if answers == enough:
            threading.Timer(rng.uniform(0, 0.005), listener.process.kill).start()

    answers = flood(listener.url, job_events(20_000, f"kill{number}"), 20, kill_soon)
    assert listener.process.wait(10) == -9
    answered = {json.loads(each.body)["job_id"] for each in answers if each.status == 200}
    saved = Counter(subject for _, subject in listener.saved())
    assert answered <= saved.keys()
    assert set(saved.values()) <= {1}
    return len(answered)


def test_every_event_answered_well_survives_kill_9(start: Start) -> None:
    """The ledger of four receivers, each killed while answering, holds all they answered for."""
    rng = random.Random(20260408)
    assert sum(kill_in_the_middle(start, number, rng) for number in range(4)) > 100


@pytest.mark.soak
def test_every_event_answered_well_survives_a_hundred_kills(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random()
    answered = sum(kill_in_the_middle(start, number, rng) for number in range(100))
    with capsys.disabled():
        print(f"\n100 kills, {answered} events answered 2xx, all of them saved once")


@pytest.mark.soak
@pytest.mark.parametrize("connections", [1, 20, 100])
def test_at_least_200_events_a_second_on_one_core(
    start: Start, connections: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """States rate and p99 on loopback; the receiver is held to one core."""
    core = min(os.sched_getaffinity(0))
    listener = start({"preexec_fn": lambda: os.sched_setaffinity(0, {core})})
    flood(listener.url, job_events(500, "warm"), connections)
    bodies = list(job_events(10_000, "rate"))
    began = time.perf_counter()
    answers = flood(listener.url, bodies, connections)
    seconds = time.perf_counter() - began
    assert Counter(each.status for each in answers) == {200: len(bodies)}
    took = sorted(each.seconds for each in answers)
    rate = len(bodies) / seconds
    p50, p99 = took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000
    with capsys.disabled():
        print(
            f"\n{connections} connections: {rate:,.0f} events/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        )
    assert rate >= 200
