"""Measures whole processes from outside, and the sandbox that answers them.

This process stays small: on Linux a child's peak memory is at least its parent's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sandbox.accounts import CLIPUS_KEY, KLIPIT_KEY
from sandbox.remote import Remote, running_apart

NOW = "2026-04-08T12:00:00Z"
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes on macOS, KiB on Linux


@dataclass(frozen=True)
class Run:
    """One process from start to end, and what the sandbox saw of it."""

    wall: float
    cpu: float
    """Seconds, user and system, with its children."""
    peak_mib: float
    """Peak memory of the process and its children together."""
    requests: int = 0
    job_requests: int = 0
    """Requests about one job."""
    refused: int = 0
    """Requests answered by 429."""
    first_to_last: float = 0.0
    """Seconds between the arrivals of its first and its last request."""
    polls_first_to_last: float = 0.0
    """The same for its polls of jobs."""
    sandbox_cpu: float = 0.0
    """CPU seconds of the sandbox meanwhile."""


@dataclass
class Target:
    """A measured number and its limit."""

    what: str
    value: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the number is within its limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass
class Result:
    """What one benchmark measured; `runs` by the program that ran."""

    title: str
    runs: Mapping[str, list[Run]]
    targets: list[Target]
    remark: str = ""


class Service:
    """A sandbox in a process of its own, and its CPU seconds."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote

    def cpu(self) -> float:
        """CPU seconds so far; 0 on a system that does not report them (only Linux does)."""
        try:
            fields = Path(f"/proc/{self.remote.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def add_jobs(self, ids: Path) -> None:
        """Add complete jobs with 1 to 10 clips, 5.5 on average."""
        calls = enumerate(ids.read_text().split())
        self.remote.call([("add_job", (id_,), {"clips": 1 + n % 10}) for n, id_ in calls])


def job_ids(folder: Path, jobs: int, name: str = "job") -> Path:
    """A file of made-up ids, one on each line."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = folder / f"{name}.txt"
    ids.write_text("\n".join(f"job_{name}_{number:07}" for number in range(jobs)))
    return ids


@contextmanager
def served(minute_seconds: float, latency_seconds: float = 0) -> Iterator[Service]:
    """Serve both APIs at NOW, with a rate minute of this length; 0: no limits."""
    limits = ["--minute-seconds", str(minute_seconds), "--latency-seconds", str(latency_seconds)]
    with running_apart("--now", NOW, *limits) as remote:
        yield Service(remote)


def clipmart(data: Path, service: Service, minute_seconds: float, *arguments: str) -> Run:
    """Run clipmart on a data folder."""
    return measured(
        [sys.executable, "-m", "pipelines", *arguments],
        service,
        CLIPMART_DATA_DIR=str(data),
        CLIPMART_MINUTE_SECONDS=str(minute_seconds),
        CLIPMART_NOW=NOW,
        KLIPIT_BASE_URL=service.remote.klipit_url,
        KLIPIT_API_KEY=KLIPIT_KEY,
        CLIPUS_BASE_URL=service.remote.clipus_url,
        CLIPUS_API_KEY=CLIPUS_KEY,
    )


def backfill(service: Service, ids: Path, minute_seconds: float) -> Run:
    """clipmart's first sync, in a new data folder; tracking its ids is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        clipmart(data, service, minute_seconds, "track", "klipit", "--from", str(ids))
        return clipmart(data, service, minute_seconds, "sync")


def rival(name: str, service: Service, ids: Path) -> Run:
    """Run bare.py or rest_api.py in a folder of its own."""
    program = str(Path(__file__).parent / f"{name}.py")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, program, service.remote.klipit_url, KLIPIT_KEY, str(ids), folder]
        return measured(command, service, RUNTIME__DLTHUB_TELEMETRY="false")


def measured(command: list[str], service: Service | None = None, **environ: str) -> Run:
    """Run a program to its end; RuntimeError with its output if it fails."""
    prefixes = ("CLIPMART_", "KLIPIT_", "CLIPUS_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    if service:
        service.remote.forget_requests()
    busy = service.cpu() if service else 0.0
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env={**clean, **environ}, stdout=output, stderr=output
        )
        memory = _Memory(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        memory.ended.set()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {output.read().decode()}")
    busy = service.cpu() - busy if service else 0.0
    seen: list[dict[str, Any]] = service.remote.read("requests") if service else []
    polls = [arrival for arrival in seen if arrival["path"].count("/") == 2]
    return Run(
        wall=wall,
        cpu=used.ru_utime + used.ru_stime,
        peak_mib=max(used.ru_maxrss * _RSS_UNIT / 2**20, memory.peak_mib),
        requests=len(seen),
        job_requests=sum(arrival["path"].startswith("/jobs/") for arrival in seen),
        refused=sum(arrival["status"] == 429 for arrival in seen),
        first_to_last=_span(seen),
        polls_first_to_last=_span(polls),
        sandbox_cpu=busy,
    )


def _span(arrivals: list[dict[str, Any]]) -> float:
    return arrivals[-1]["monotonic"] - arrivals[0]["monotonic"] if arrivals else 0.0


class _Memory(threading.Thread):
    """Samples the memory of a process and its children ten times a second.

    Shared memory counts once. Only Linux reports it; on other systems this peak is 0.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_mib = 0.0
        self.ended = threading.Event()
        self._pid = pid
        self.start()

    def run(self) -> None:
        """Sample until `ended` is set."""
        while not self.ended.wait(0.1):
            with suppress(OSError):
                self.peak_mib = max(self.peak_mib, sum(map(_pss_mib, _family(self._pid))))


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(int(child) for path in children for child in path.read_text().split())]


def _pss_mib(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.partition("Pss:")[2].split()[0]) / 1024


def alternate(subjects: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Run every subject once in each round, so that a slow moment affects all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            runs[name].append(subject())
    return runs


def typical(runs: list[Run], of: Callable[[Run], float] = lambda run: run.wall) -> float:
    """The median of what is measured."""
    return median(map(of, runs))


def ratio(above: list[Run], below: list[Run]) -> float:
    """How many times longer `above` takes than `below`: the median of the rounds' ratios."""
    return median(a.wall / b.wall for a, b in zip(above, below, strict=True))
