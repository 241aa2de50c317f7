"""Every command in a store of 1,000,000 jobs and 6,000,000 clips."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

from .measure import (
    Result,
    Run,
    Service,
    Target,
    clipmart,
    job_ids,
    measured,
    served,
    typical,
)

FOLDER = "BENCHMARK_MILLIONS"
"""A folder in which the store is created, or used again; a temporary one if it is not set."""
MOST_MIB = 1024
SECONDS = {
    "sync of 10 new jobs": 6.0,
    "sync without any": 0.6,
    "track of 10 ids": 1.0,
    "status": 1.0,
    "doctor": 1.5,
    "ids": 5.0,
    "report --html": 5.0,
    "report shareability, csv": 5.0,
    "report job-turnaround": 1.0,
    "query of all jobs, csv": 4.0,
    "recover and the sync after it": 90.0,
}


def millions(rounds: int, *, quick: bool = False) -> Result:
    """Measure every command that reads or writes a large store."""
    jobs = 20_000 if quick else 1_000_000
    with served(0) as service, ExitStack() as stack:
        folder = Path(os.environ.get(FOLDER) or stack.enter_context(tempfile.TemporaryDirectory()))
        data = folder / "data"
        if not data.exists():
            _create_store(folder, service, jobs)
        commands = _commands(folder, service)
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                runs[name].append(command())
        # It takes longest, and the next one would recover the same.
        runs["recover and the sync after it"] = _recover(data, service)
    targets = [
        Target(name, _seconds(name, runs[name]), most, "s") for name, most in SECONDS.items()
    ]
    peak = max(run.peak_mib for each in runs.values() for run in each)
    return Result(
        f"{jobs:,} jobs with six clips each",
        runs,
        [*targets, Target("peak memory of any command", peak, MOST_MIB, "MiB")],
        f"The published file has {(data / 'warehouse.duckdb').stat().st_size / 1e6:,.0f} MB.",
    )


def _commands(folder: Path, service: Service) -> dict[str, Callable[[], Run]]:
    run = partial(clipmart, folder / "data", service, 0)
    batches = count()

    def track_ten() -> Run:
        ids = job_ids(folder, 10, f"more{os.getpid()}n{next(batches)}")
        service.add_jobs(ids)
        return run("track", "klipit", "--from", str(ids))

    return {
        "track of 10 ids": track_ten,
        "status": partial(run, "status"),
        "sync of 10 new jobs": partial(run, "sync"),
        "sync without any": partial(run, "sync"),
        "doctor": partial(run, "doctor"),
        "ids": partial(run, "ids", "klipit"),
        "report --html": partial(run, "report", "--html", str(folder / "report.html")),
        "report shareability, csv": partial(run, "report", "shareability", "--format", "csv"),
        "report job-turnaround": partial(run, "report", "job-turnaround"),
        "query of all jobs, csv": partial(run, "query", "FROM klipit.jobs", "--format", "csv"),
    }


def _recover(data: Path, service: Service) -> list[Run]:
    """Lose the landing store, recover it from the published file, and sync."""
    (data / "state" / "landing.duckdb").unlink()
    return [clipmart(data, service, 0, "recover"), clipmart(data, service, 0, "sync")]


def _seconds(name: str, runs: list[Run]) -> float:
    return sum(run.wall for run in runs) if name.startswith("recover") else typical(runs)


def _create_store(folder: Path, service: Service, jobs: int) -> None:
    """Create a data folder in which every job is settled and published.

    A sync of ten jobs creates it; the others are written by SQL.
    """
    data, ids = folder / "data", job_ids(folder, 10, "first")
    service.add_jobs(ids)
    clipmart(data, service, 0, "track", "klipit", "--from", str(ids))
    clipmart(data, service, 0, "sync")
    root = str(Path(__file__).parents[1])
    measured([sys.executable, "-m", "benchmarks.filled", str(data), str(jobs)], PYTHONPATH=root)
    clipmart(data, service, 0, "sync")
