"""Progress of a running sync: bars on a terminal, otherwise a line every 30 s."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.output import say

TERMINAL_SECONDS = 0.5
PLAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Step:
    """How many ids of one service are done; `eta_seconds` is None while its limit is unknown."""

    service: str
    done: int
    due: int
    eta_seconds: float | None

    def words(self) -> str:
        """A line for a log or a terminal."""
        return f"{self.service}: {self.done} of {self.due}, {ready_in(self.eta_seconds)}"


class Progress:
    """Shows steps on stderr; `every_seconds` is how often to call `show`."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self.every_seconds = TERMINAL_SECONDS if self._on_terminal else PLAIN_SECONDS

    def show(self, steps: Sequence[Step]) -> None:
        """Update the bars, or write a line for each service that is not done."""
        if not self._on_terminal:
            for step in steps:
                if step.done < step.due:
                    say(step.words())
            return
        bars = self._started()
        for step in steps:
            if step.service not in self._tasks:
                self._tasks[step.service] = bars.add_task(step.service, total=step.due, eta="")
            bars.update(
                self._tasks[step.service],
                completed=step.done,
                eta="done" if step.done >= step.due else in_words(step.eta_seconds),
            )

    def close(self) -> None:
        """Remove the bars."""
        if self._bars is not None:
            self._bars.stop()

    def _started(self) -> Any:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bars

            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[eta]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._bars.start()
        return self._bars


def ready_in(seconds: float | None) -> str:
    """When the last due id can be requested: 'ready now', 'ready in 12 min'."""
    words = in_words(seconds)
    return f"time {words}" if seconds is None else f"ready {'' if words == 'now' else 'in '}{words}"


def in_words(seconds: float | None) -> str:
    """A duration as a person says it: 'now', '40 s', '12 min', '2 h 47 min'."""
    if seconds is None:
        return "unknown until the first answer reports the limit"
    if seconds < 1:
        return "now"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
