"""Without limits: 2,000 jobs and their clips. The time that clipmart itself takes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .measure import Result, Target, alternate, backfill, job_ids, ratio, rival, served, typical


def unthrottled(rounds: int, *, quick: bool = False) -> Result:
    """Measure first syncs from an API without limits."""
    jobs = 200 if quick else 2_000
    with served(0) as service, tempfile.TemporaryDirectory() as folder:
        ids = job_ids(Path(folder), jobs)
        service.add_jobs(ids)
        runs = alternate(
            {
                "clipmart sync": lambda: backfill(service, ids, 0),
                "bare client": lambda: rival("bare", service, ids),
                "dlt rest_api": lambda: rival("rest_api", service, ids),
            },
            rounds,
        )
    ours, bare, rest_api = runs.values()
    peak = typical(ours, lambda run: run.peak_mib)
    share = typical(bare, lambda run: run.sandbox_cpu / run.wall)
    return Result(
        f"Backfill of {jobs:,} jobs without limits",
        runs,
        [
            Target("rest_api's time / ours", ratio(rest_api, ours), 2.5, "times", at_least=True),
            Target("our peak memory", peak, 450, "MiB"),
        ],
        f"clipmart takes {ratio(ours, bare):.1f} times the bare client's time. The sandbox "
        f"{'is' if share > 0.8 else 'is not'} what limits that one: it works {share:.0%} of it.",
    )
