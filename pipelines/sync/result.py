"""The result of a sync: what `sync --json` prints, its lines, its exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

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

    def lines(self, *, dry_run: bool) -> list[str]:
        """A line for each service and one for publishing."""
        lines = []
        for name, s in self.services.items():
            if dry_run:
                lines.append(f"{name}: {s.known} known, {s.due} due, {ready_in(s.eta_seconds)}")
                continue
            loaded = ", ".join(_count(count, table) for table, count in s.loaded.items() if count)
            lines.append(
                f"{name}: {s.known} known, {s.due} due, {s.requested} requested; loaded "
                f"{loaded or 'nothing'}; {s.rejected} rejected, {s.remaining} remaining; "
                f"{_count(s.requests, 'requests')}, {s.refused} refused"
            )
            lines += [f"{name}: {note}" for note in s.notes]
            if s.rejected:
                lines.append(f"{name}: `clipmart rejected` shows the rejected records and why")
        if not dry_run:
            if self.published:
                lines.append(f"published {self.place or f'{self.data_dir}/warehouse.duckdb'}")
            elif self.error:
                lines.append("not published: the file stays as it is")
            else:
                lines.append("nothing changed: the published file stays as it is")
        return lines

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


def _count(number: int, plural: str) -> str:
    """1 request, 2 requests; the names of landing tables are such plurals."""
    return f"{number} {plural.removesuffix('s') if number == 1 else plural}"


def _z(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
