"""How many ids are in work at a time. Time is virtual, so waiting takes none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sandbox import Sandbox
from sources.klipit.client import KlipitClient
from sources.shared.due import Due
from sources.shared.errors import RequestFailed
from sources.shared.http import Api
from sources.shared.incremental import read_batches
from sources.shared.ramp import FIRST, MOST, Ramp, request_each
from sources.shared.slots import RateSlots
from tests.support.virtual_time import Late, run_at_once


def most_at_once(
    items: int,
    request_seconds: float = 0.0,
    other_seconds: float = 0.0,
) -> int:
    """How many items are in work at once; each sends a request, then does other work."""
    ramp = Ramp(60)
    now, most = 0, 0

    async def work(_: int, sent: Callable[[], None]) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        ramp.begin()
        sent()
        await asyncio.sleep(request_seconds)
        ramp.end(True, request_seconds)
        await asyncio.sleep(other_seconds)
        now -= 1

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            await request_each(tasks, iter(range(items)), work, ramp)

    run_at_once(run)
    return most


@pytest.mark.parametrize(
    ("request_seconds", "least", "most"),
    [(0.01, FIRST, FIRST), (0.2, 10, 30), (5.0, MOST, MOST), (30.0, MOST, MOST)],
)
def test_the_number_follows_the_time_of_an_answer(
    request_seconds: float, least: int, most: int
) -> None:
    """Four if answers come at once, 64 at most."""
    assert least <= most_at_once(300, request_seconds) <= most


def test_waiting_for_anything_but_the_api_adds_no_place() -> None:
    """A full chunk that is being loaded, or the pause before a retry."""
    assert most_at_once(100, 0.01, other_seconds=10.0) == FIRST


def test_errors_halve_it_down_to_four_and_it_does_not_grow_again_before_a_good_answer() -> None:
    """From 64 to 4; then five ids wait for four places."""
    ramp = Ramp(60)
    ramp.places = 64
    halved = []
    for _ in range(6):
        ramp.begin()
        ramp.end(False, 1.0)
        halved.append(ramp.places)
    assert halved == [32, 16, 8, 4, 4, 4]

    async def places_after(seconds: float) -> int:
        """Places after a fifth id wants to enter and the four in work wait for the API."""
        for _ in range(FIRST):
            await ramp.enter()
            ramp.begin()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await ramp.enter()
        return ramp.places

    assert run_at_once(lambda: places_after(5.0)) == FIRST


def test_at_most_four_requests_are_being_repeated() -> None:
    """Forty fail at once: those that wait for their turn are not sent."""
    server = Late(latency_seconds=5.0, minute_seconds=0, outage=(0.0, 1e9))

    async def get_forty(api: Api) -> list[BaseException]:
        gets = (api.get(f"/jobs/job_{number}", None) for number in range(40))
        errors: list[Any] = list(await asyncio.gather(*gets, return_exceptions=True))
        return errors

    errors = run_at_once(lambda: server.with_api(get_forty))

    assert all(isinstance(error, RequestFailed) for error in errors)
    first = {path: at for at, path, _ in reversed(server.requests)}
    repeats = [at for at, path, _ in server.requests if at > first[path]]
    # Of 5 s each: at no time are more than four of them open.
    assert all(sum(at <= other < at + 5.0 for other in repeats) <= FIRST for at in repeats)


def test_the_sources_alone_do_not_wait_for_one_slow_answer_after_another(sandbox: Sandbox) -> None:
    """80 jobs and their clips, each answer after 0.2 s: four at a time would take 8 s."""
    ids = [f"job_{number:02}" for number in range(80)]
    for id_ in ids:
        sandbox.add_job(id_, clips=1)
    sandbox.set_latency(0.2)

    def client(http: httpx.AsyncClient) -> KlipitClient:
        api = Api(
            name="Klipit",
            base_url=sandbox.klipit_url,
            key="klipit_sk_sandbox",
            key_variable="KEY",
            address_variable="ADDRESS",
            slots=RateSlots.in_memory(0),
            client=http,
        )
        return KlipitClient(api, lambda: datetime.now(UTC))

    ((reads, _),) = read_batches(map(Due, ids), client)

    assert sorted(read.id for read in reads) == ids
    arrivals = [request.monotonic for request in sandbox.requests]
    assert arrivals[-1] - arrivals[0] < 6.0
