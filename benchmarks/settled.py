"""Nothing to do: a sync beside 1,000 and beside 100,000 settled jobs (600,000 clips)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from . import history
from .measure import Result, Run, Target, alternate, clipmart, measured, ratio, served, typical

IMPORTS = "import dlt, duckdb, httpx"


def run(rounds: int, *, quick: bool = False) -> Result:
    few, many = 1_000, 10_000 if quick else 100_000
    with served(0) as service, tempfile.TemporaryDirectory() as folder:
        data = {jobs: Path(folder) / str(jobs) / "data" for jobs in (few, many)}
        for jobs, place in data.items():
            history.make(place, service, jobs)
        runs = alternate(
            {
                f"sync, {few:,} settled": lambda: clipmart(data[few], service, 0, "sync"),
                f"sync, {many:,} settled": lambda: clipmart(data[many], service, 0, "sync"),
                IMPORTS: lambda: measured([sys.executable, "-c", IMPORTS]),
            },
            # A round takes seconds, and a second's noise would decide the ratio.
            rounds if quick else 3 * rounds,
        )
    small, large, imports = runs.values()

    def about_jobs(run: Run) -> float:
        return run.job_requests

    return Result(
        f"No-op sync beside {many:,} settled jobs",
        runs,
        [
            Target(f"time / that beside {few:,}", ratio(large, small), 1.25, "times"),
            Target(f"time / `{IMPORTS}`", ratio(large, imports), 1.6, "times"),
            Target("requests about settled jobs", typical(large, about_jobs), 0, ""),
            Target("peak memory", typical(large, lambda run: run.peak_mib), 250, "MiB"),
        ],
    )
