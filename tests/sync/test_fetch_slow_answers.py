"""The quota is used up at any latency, and a failing API gets few requests. Time is virtual."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sources.klipit.client import KlipitClient
from sources.shared.due import Due
from sources.shared.fetch import Fetch
from sources.shared.http import Api
from sources.shared.ramp import MOST
from tests.support.virtual_time import Late, run_at_once


def fetched(server: Late, jobs: int, *, clips_alone: int = 0, proven: bool = True) -> Fetch:
    """Fetch so many jobs and their clips, and of some more the clips alone."""

    async def fetch(api: Api) -> Fetch:
        client = KlipitClient(api, lambda: datetime.now(UTC))

        async def emit(read: Any) -> None:
            pass

        run = Fetch(
            client=client,
            due=[
                *(Due(f"job_{number:03}") for number in range(jobs)),
                *(Due(f"old_{number:03}", poll=False) for number in range(clips_alone)),
            ],
            emit=emit,
            proven=proven,
        )
        await run.run()
        return run

    done: Fetch = run_at_once(lambda: server.with_api(fetch))
    return done


@pytest.mark.parametrize("latency", [0.01, 0.3, 2.0, 5.0, 12.0])
def test_the_quota_is_used_up_at_any_latency(latency: float) -> None:
    """240 jobs need four windows of a minute plus the latency; no more time, and no 429."""
    server = Late(latency_seconds=latency)

    done = fetched(server, 240)

    assert (done.done, done.requested, done.error) == (240, 240, None)
    assert server.status(429) == 0
    assert server.polls[-1] - server.polls[0] <= 1.02 * 3 * (60 + latency)


def test_the_first_answer_under_a_new_key_lets_the_others_go() -> None:
    """20 are sent before any id was seen; the rest after 5 s, not after the clips are read."""
    server = Late(latency_seconds=5.0)

    fetched(server, 240, proven=False)

    assert server.polls[19] < 1.0
    assert 5.0 <= server.polls[20] < 5.5
    assert server.polls[-1] - server.polls[0] <= 1.05 * 3 * 65


def test_few_requests_are_in_flight_if_answers_come_at_once() -> None:
    """Four keep such a server busy; waiting for a rate slot adds none."""
    server = Late(latency_seconds=0.01)

    fetched(server, 200)

    assert server.most_open <= 8


def test_clip_reads_do_not_queue_behind_polls() -> None:
    """While the polls wait for their minute, 100 clip reads are sent."""
    server = Late(latency_seconds=5.0)

    fetched(server, 120, clips_alone=50)

    last = max(at for at, path, _ in server.requests if path.startswith("/jobs/old_"))
    assert last < 30


def test_an_api_that_fails_with_many_in_flight_gets_few_more_requests() -> None:
    """60 wait for answers as it fails: three are tried to the end, and the run stops."""
    server = Late(latency_seconds=5.0, outage=(64.0, 1e9))

    done = fetched(server, 300)

    assert done.error is not None and done.error.exit_code == 75
    assert server.status(500) <= MOST + 4 * 6
    assert done.requested < 200


def test_a_short_outage_loses_no_id_and_little_time() -> None:
    """Three seconds of 500: a few are repeated first, then all the others."""
    server = Late(latency_seconds=2.0, outage=(63.0, 66.0))

    done = fetched(server, 240)

    assert (done.done, done.failed) == (240, [])
    assert server.polls[-1] <= 300
    assert server.status(429) == 0
