"""Measures whole processes from outside, and the sandbox that answers them.

This process stays small: on Linux a child's peak memory begins at its parent's.
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
from sandbox.remote import Remote

NOW = "2026-04-08T12:00:00Z"
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB here


@dataclass(frozen=True)
class Run:
    """One process from its start to its end, and what the sandbox saw of it."""

    wall: float
    cpu: float
    """Seconds, user and system, its own children included."""
    peak_mib: float
    """Of the process with its children at once."""
    requests: int = 0
    job_requests: int = 0
    """Those about one job."""
    refused: int = 0
    """Answered 429."""
    first_to_last: float = 0.0
    """Seconds between its first request's arrival and its last one's."""
    polls_first_to_last: float = 0.0
    """The same of its polls of jobs alone."""
    sandbox_cpu: float = 0.0
    """Seconds that the sandbox worked meanwhile."""


@dataclass
class Target:
    """A number, and what it should be."""

    what: str
    value: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the number is on the right side of its limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass
class Result:
    """What one benchmark measured; `runs` by what was run."""

    title: str
    runs: Mapping[str, list[Run]]
    targets: list[Target]
    remark: str = ""


class Service:
    """A sandbox in a process of its own, whose CPU seconds can be read."""

    def __init__(self, remote: Remote, pid: int) -> None:
        self.remote = remote
        self._pid = pid

    def cpu(self) -> float:
        """CPU seconds so far; 0 where the system does not tell (it is Linux that does)."""
        try:
            fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def add_jobs(self, ids: Path) -> None:
        """Complete jobs with 1 to 10 clips, 5.5 on the average."""
        calls = enumerate(ids.read_text().split())
        self.remote.call([("add_job", (id_,), {"clips": 1 + n % 10}) for n, id_ in calls])


def job_ids(folder: Path, jobs: int, name: str = "job") -> Path:
    """A file of made-up ids, one a line."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = folder / f"{name}.txt"
    ids.write_text("\n".join(f"job_{name}_{number:07}" for number in range(jobs)))
    return ids


@contextmanager
def served(minute_seconds: float, latency_seconds: float = 0) -> Iterator[Service]:
    """Serve both APIs at NOW, with limits by a minute of this length; 0: none."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--now", NOW]
    command += ["--minute-seconds", str(minute_seconds)]
    command += ["--latency-seconds", str(latency_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                if line.startswith("export CLIPUS_BASE_URL="):
                    url = line.split("=", 1)[1].strip().removesuffix("/clipus")
                    yield Service(Remote(url), process.pid)
                    break
            else:
                raise RuntimeError("The sandbox did not start; its own words are above.")
        finally:
            process.terminate()


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
    """clipmart's first sync, in a new data folder, after its ids were tracked (not counted)."""
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
    """Run a program to its end; where it fails, its own words and RuntimeError."""
    ours = ("CLIPMART_", "KLIPIT_", "CLIPUS_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    if service:
        service.remote.forget_requests()
    busy = service.cpu() if service else 0.0
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env={**clean, **environ}, stdout=said, stderr=said
        )
        together = _Memory(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        together.ended.set()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {said.read().decode()}")
    busy = service.cpu() - busy if service else 0.0
    seen: list[dict[str, Any]] = service.remote.read("requests") if service else []
    polls = [arrival for arrival in seen if arrival["path"].count("/") == 2]
    return Run(
        wall=wall,
        cpu=used.ru_utime + used.ru_stime,
        peak_mib=max(used.ru_maxrss * _RSS_UNIT / 2**20, together.peak_mib),
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

    What they share counts once. Only Linux reports it; elsewhere this peak is 0.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_mib = 0.0
        self.ended = threading.Event()
        self._pid = pid
        self.start()

    def run(self) -> None:
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
    """Run every subject once a round, in turn, so that a slow spell strikes all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            runs[name].append(subject())
    return runs


def typical(runs: list[Run], of: Callable[[Run], float] = lambda run: run.wall) -> float:
    """The median of what is measured."""
    return median(map(of, runs))


def ratio(above: list[Run], below: list[Run]) -> float:
    """How many times as long one takes as the other: the median of the rounds' ratios."""
    return median(a.wall / b.wall for a, b in zip(above, below, strict=True))
