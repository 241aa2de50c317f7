"""With limits: 300 jobs and a minute of 6 s. The quota should be used to the last request."""

from __future__ import annotations

import tempfile
from math import ceil
from pathlib import Path

from .measure import Result, Run, Target, alternate, backfill, job_ids, rival, served, typical

POLLS_A_MINUTE = 60
REAL_MINUTE = 60.0


def paced(rounds: int, *, quick: bool = False) -> Result:
    """Measure first syncs under Klipit's limits."""
    jobs, minute = (120, 2.0) if quick else (300, 6.0)
    minutes = ceil(jobs / POLLS_A_MINUTE) - 1
    with tempfile.TemporaryDirectory() as folder:
        ids = job_ids(Path(folder), jobs)

        # A server for each: none must start in a window that another one filled.
        def ours() -> Run:
            with served(minute) as service:
                service.add_jobs(ids)
                return backfill(service, ids, minute)

        def rest_api() -> Run:
            with served(minute) as service:
                service.add_jobs(ids)
                return rival("rest_api", service, ids)

        runs = alternate({"clipmart sync": ours, "dlt rest_api": rest_api}, rounds)
    mine, theirs = runs.values()

    def share(run: Run) -> float:
        # Start, build and publish take as long with a real minute.
        return 100 * run.cpu / (minutes * REAL_MINUTE + run.wall - run.first_to_last)

    floor = minutes * minute
    span = typical(mine, lambda run: run.first_to_last)
    return Result(
        f"Backfill of {jobs} jobs at a minute of {minute:g} s",
        runs,
        [
            Target("429s", max(run.refused for run in mine), 0, ""),
            Target("first to last request / the quota's floor", span / floor, 1.05, "times"),
            Target("CPU's share of the time with a real minute", typical(mine, share), 5, "%"),
        ],
        f"The quota's floor is {floor:g} s. First to last request: clipmart {span:.2f} s, "
        f"rest_api {typical(theirs, lambda run: run.first_to_last):.2f} s.",
    )
