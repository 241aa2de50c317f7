"""A long past: 10 new jobs beside 1,000,000 clips landed, built and published anew."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

from . import history
from .measure import Result, Run, Target, alternate, clipmart, job_ids, served, typical


def run(rounds: int, *, quick: bool = False) -> Result:
    jobs = (100_000 if quick else 1_000_000) // history.CLIPS + 1
    with served(0) as service, tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        history.make(data, service, jobs)
        news = count()

        def ten_more() -> Run:
            ids = job_ids(Path(folder), 10, f"new{next(news)}")
            service.add_jobs(ids)
            clipmart(data, service, 0, "track", "klipit", "--from", str(ids))
            return clipmart(data, service, 0, "sync")

        runs = alternate({"sync of 10 new jobs": ten_more}, rounds)
    (syncs,) = runs.values()
    return Result(
        f"10 new jobs beside {jobs * history.CLIPS:,} clips",
        runs,
        [Target("time, build and publish included", typical(syncs), 10, "s")],
        [f"its peak memory is {typical(syncs, lambda run: run.peak_mib):.0f} MiB"],
    )
