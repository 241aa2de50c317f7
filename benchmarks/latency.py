"""Slow answers: the quota is used in full at any latency.

With limits, 240 jobs and answers after 2 s and 5 s of a real minute; without limits, 400 jobs and
answers after 50 ms.
"""

from __future__ import annotations

import tempfile
from math import ceil
from pathlib import Path

from .measure import (
    Result,
    Run,
    Target,
    alternate,
    backfill,
    job_ids,
    ratio,
    rival,
    served,
    typical,
)
from .paced import POLLS_A_MINUTE, REAL_MINUTE


def latency(rounds: int, *, quick: bool = False) -> Result:
    """Measure first syncs from a slow API."""
    jobs, minute, unpaced = (120, 2.0, 100) if quick else (240, 6.0, 400)
    with tempfile.TemporaryDirectory() as folder:
        ids, more_ids = job_ids(Path(folder), jobs), job_ids(Path(folder), unpaced, "more")

        def paced(real_seconds: float) -> Run:
            seconds = real_seconds * minute / REAL_MINUTE
            with served(minute, seconds) as service:
                service.add_jobs(ids)
                return backfill(service, ids, minute)

        def unthrottled(rest_api: bool) -> Run:
            with served(0, 0.05) as service:
                service.add_jobs(more_ids)
                if rest_api:
                    return rival("rest_api", service, more_ids)
                return backfill(service, more_ids, 0)

        runs = alternate(
            {
                "clipmart sync, 2 s": lambda: paced(2),
                "clipmart sync, 5 s": lambda: paced(5),
                "clipmart sync, 50 ms, no limits": lambda: unthrottled(False),
                "dlt rest_api, 50 ms, no limits": lambda: unthrottled(True),
            },
            rounds,
        )
    two, five, ours, theirs = runs.values()

    def of_floor(runs: list[Run], real_seconds: float) -> float:
        # A slot is free again a minute after its answer.
        window = minute * (1 + real_seconds / REAL_MINUTE)
        floor = (ceil(jobs / POLLS_A_MINUTE) - 1) * window
        return typical(runs, lambda run: run.polls_first_to_last) / floor

    return Result(
        f"Slow answers: {jobs} jobs at a minute of {minute:g} s; {unpaced} jobs without limits",
        runs,
        [
            Target("429s", max(run.refused for run in (*two, *five)), 0, ""),
            Target("2 s: first to last poll / the floor", of_floor(two, 2), 1.05, "times"),
            Target("5 s: first to last poll / the floor", of_floor(five, 5), 1.05, "times"),
            Target("50 ms: our time / rest_api's", ratio(ours, theirs), 0.5, "times"),
        ],
        "The floor is (minutes - 1) x (minute + latency), with the latency in seconds of a real "
        "minute.",
    )
