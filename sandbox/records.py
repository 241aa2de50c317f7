"""A job or a campaign: what it says at birth, what time changes, what a test overrides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Fields = dict[str, Any]


@dataclass
class Record:
    """`at(now)` is a pure function of the clock, so a clock set back undoes progress."""

    fields: Fields
    account: str = "sandbox"
    steps: list[tuple[datetime, Fields]] = field(default_factory=list)  # ordered by instant
    override: Fields = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    clips: Any = field(default_factory=list)  # a job's; any shape, drift is a test's business
    submission: Fields = field(default_factory=dict)

    def at(self, now: datetime) -> Fields:
        """The record as the API tells it at that instant."""
        seen = dict(self.fields)
        for instant, changes in self.steps:
            if instant > now:
                break
            seen.update(changes)
        seen.update(self.override)
        for name in self.without:
            seen.pop(name, None)
        return seen

    def update(self, fields: Fields, without: Iterable[str] = ()) -> None:
        """Override fields from now on, whatever time would make of them."""
        self.override.update(fields)
        self.without = (self.without | set(without)) - set(fields)


def best_first(clips: Any) -> Any:
    """Clips by shareability_score, descending (Klipit reference, "Clips"); unscored last.

    Anything but a list of objects stays as it is.
    """
    if not isinstance(clips, list) or not all(isinstance(clip, dict) for clip in clips):
        return clips

    def order(clip: Fields) -> tuple[bool, float]:
        score = clip.get("shareability_score")
        return (False, -score) if isinstance(score, int | float) else (True, 0)

    return sorted(clips, key=order)
