"""The result of a sync: what `sync --json` prints, its lines, its exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipelines.output import counted
from pipelines.service import SERVICES
from sources.shared.errors import ClipmartError

from .progress import ready_in


@dataclass
class ServiceResult:
    """What a sync did for one service."""

    known: int = 0
    due: int = 0
    requested: int = 0
    """Ids that were requested; `asked` in JSON."""
    loaded: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    remaining: int = 0
    eta_seconds: float | None = None
    """Seconds until the last due id can be requested, as estimated at the start."""
    requests: int = 0
    refused: int = 0
    error: str | None = None
    exit_code: int = 0
    notes: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    """What is new: `children` landed for the first time, and the number of records that became
    `finished` or `failed`, and of children that did, as `children finished`."""
    running: int = 0
    """Tracked records that are neither finished nor failed, at the end."""

    def add(self, rows: Mapping[str, int], rejected: int) -> None:
        """Count one loaded chunk."""
        self.loaded.update(rows)
        self.rejected += rejected
        if rejected:
            self.exit_code = worst((self.exit_code, 1))

    def fail(self, error: ClipmartError) -> None:
        """Record an error; the first one is reported, the worst decides the exit code."""
        self.error = self.error or str(error)
        self.exit_code = worst((self.exit_code, error.exit_code))

    def as_json(self) -> dict[str, Any]:
        """A service's object in `sync --json`."""
        return {
            "known": self.known,
            "due": self.due,
            "asked": self.requested,
            "loaded": dict(self.loaded),
            "rejected": self.rejected,
            "remaining": self.remaining,
            "eta_seconds": self.eta_seconds,
            "requests": self.requests,
            "refused": self.refused,
            "error": self.error,
        }


@dataclass
class SyncResult:
    """What one sync did."""

    run_id: str
    started_at: datetime
    data_dir: str
    services: dict[str, ServiceResult] = field(default_factory=dict)
    finished_at: datetime | None = None
    published: bool = False
    place: str = ""
    """What readers open, if it is not a file in the data folder."""
    exit_code: int = 0
    error: str | None = None
    stopped: bool = False
    """Whether a signal stopped it."""
    notes: list[str] = field(default_factory=list)
    """A line for each thing that was recovered first."""

    def as_json(self) -> dict[str, Any]:
        """The object that `sync --json` prints; instants are ISO 8601 with Z."""
        return {
            "run_id": self.run_id,
            "started_at": _z(self.started_at),
            "finished_at": _z(self.finished_at) if self.finished_at else None,
            "exit_code": self.exit_code,
            "data_dir": self.data_dir,
            "published": self.published,
            "error": self.error,
            "services": {name: service.as_json() for name, service in self.services.items()},
        }

    def lines(self, *, dry_run: bool = False, verbose: bool = False) -> list[str]:
        """A line for each service and one for publishing; `verbose` lines are all numbers."""
        lines = []
        for name, s in self.services.items():
            if not s.known and not s.error:
                lines.append(f"{name}: {_no_ids(name)}")
            elif dry_run:
                lines.append(f"{name}: {s.known:,} known, {s.due:,} due, {ready_in(s.eta_seconds)}")
            else:
                lines.append(f"{name}: {_numbers(s) if verbose else _summary(name, s)}")
        if not dry_run:
            if self.published:
                lines.append(f"published {self.place or f'{self.data_dir}/warehouse.duckdb'}")
            elif self.error:
                lines.append("not published: the file stays as it is")
            else:
                lines.append("nothing changed: the published file stays as it is")
        return lines

    def messages(self) -> list[str]:
        """What was recovered first, and what the services note."""
        return self.notes + [f"{n}: {note}" for n, s in self.services.items() for note in s.notes]

    def problems(self) -> list[str]:
        """What went wrong: messages that say what to do."""
        problems = [self.error] if self.error else []
        if self.stopped and not self.error:
            problems.append(
                "Stopped by a signal. What was fetched is loaded"
                f"{' and published' if self.published else ''}; the rest is still due. Run "
                "`clipmart sync` again."
            )
        return problems + [s.error for s in self.services.values() if s.error]


def worst(codes: Iterable[int]) -> int:
    """The exit code for several outcomes: the first of 3, 75, 1, 2 and 0 that occurs."""
    outcomes = {*codes, 0}
    return next(code for code in (3, 75, 1, 2, 0) if code in outcomes)


def _summary(name: str, result: ServiceResult) -> str:
    """'3 new clips, 1 episode failed, 2 running'."""
    service, events = SERVICES[name], result.events
    subject = service.subject or service.thing
    child = service.api.children.name.removesuffix("s")
    words = {
        "children": counted(events["children"], f"new {child}"),
        "children finished": f"{counted(events['children finished'], child)} became ready",
        "finished": f"{counted(events['finished'], subject)} done",
        "failed": f"{counted(events['failed'], subject)} failed",
    }
    # An episode is done if it has clips; what counts of a video is that it is ready.
    kinds = ["children finished" if service.api.child_observations else "children", "failed"]
    if not events[kinds[0]]:
        kinds.insert(0, "finished")
    parts = [words[kind] for kind in kinds if events[kind]]
    if not parts:
        nothing_requested = result.error and not result.requested
        parts.append("nothing was requested" if nothing_requested else "nothing new")
    if result.running:
        parts.append(f"{result.running:,} running")
    if result.remaining:
        parts.append(f"{result.remaining:,} still due")
    if result.rejected:
        parts.append(f"{result.rejected:,} rejected (`clipmart rejected` says why)")
    return ", ".join(parts)


def _numbers(result: ServiceResult) -> str:
    # The names of landing tables are plurals.
    loaded = [
        counted(count, table.removesuffix("s")) for table, count in result.loaded.items() if count
    ]
    return (
        f"{result.known:,} known, {result.due:,} due, {result.requested:,} requested; loaded "
        f"{', '.join(loaded) or 'nothing'}; {result.rejected:,} rejected, {result.remaining:,} "
        f"remaining; {counted(result.requests, 'request')}, {result.refused:,} refused"
    )


def _no_ids(name: str) -> str:
    listen = "; `clipmart listen` receives more by webhook" if SERVICES[name].events else ""
    return (
        f"no ids yet. `clipmart track {name} --from FILE` registers those you have; "
        f"`clipmart submit {name}` sends something new{listen}."
    )


def _z(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
