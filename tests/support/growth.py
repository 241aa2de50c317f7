"""What a data folder costs, measured again and again, and what of it grew."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .forked_commands import Usage

_NUMBER = re.compile(r"[0-9a-f]*\d[0-9a-f.TZ-]*")
"""What distinguishes one generation of a file from the next: an instant, a digest, a count."""


@dataclass(frozen=True)
class Cost:
    """What one command used, and after it the bytes and files of its data folder by name."""

    cpu_seconds: float
    memory_kib: int
    open_files: int
    bytes_of: Mapping[str, int]
    files_of: Mapping[str, int]


def measured(folder: Path, usage: Usage) -> Cost:
    """The cost of a command that has just ended; files that differ only by numbers are one name."""
    bytes_of: dict[str, int] = {}
    files_of: dict[str, int] = {}
    for path in folder.rglob("*"):
        name = "/".join(_NUMBER.sub("#", part) for part in path.relative_to(folder).parts)
        files_of[name] = files_of.get(name, 0) + 1
        bytes_of[name] = bytes_of.get(name, 0) + (path.stat().st_size if path.is_file() else 0)
    return Cost(*usage, bytes_of, files_of)


def growth(costs: Sequence[Cost], allowed_bytes: Mapping[str, int], times: float) -> list[str]:
    """What the last tenth costs more than the first, a line for each.

    Args:
        allowed_bytes: name → what its data may add; any other file may not exceed its largest size
            in the first tenth by a tenth and 4 KiB.
        times: CPU time and memory in the last tenth may be this many times those in the first.
    """
    tenth = len(costs) // 10
    first, last = costs[:tenth], costs[-tenth:]
    lines = []
    before, after = (_median([cost.cpu_seconds for cost in part]) for part in (first, last))
    if after > times * before:
        lines.append(f"CPU: {before:.2f} s, then {after:.2f} s")
    before, after = (max(cost.memory_kib for cost in part) for part in (first, last))
    if after > times * before:
        lines.append(f"memory: {before:,} KiB, then {after:,}")
    before, after = (max(cost.open_files for cost in part) for part in (first, last))
    if after > before:
        lines.append(f"open files: {before}, then {after}")
    for name in sorted({name for cost in last for name in cost.bytes_of}):
        before, after = (max(cost.files_of.get(name, 0) for cost in part) for part in (first, last))
        if after > before:
            lines.append(f"{name}: {before} files, then {after}")
        before, after = (max(cost.bytes_of.get(name, 0) for cost in part) for part in (first, last))
        if after > before + (allowed_bytes.get(name) or before // 10 + 4096):
            lines.append(f"{name}: {before:,} bytes, then {after:,}")
    return lines


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
