"""A job or a campaign: its first fields, its changes over time, and a test's overrides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Fields = dict[str, Any]


@dataclass
class Record:
    """A job or a campaign; a clock that is set back undoes its progress."""

    fields: Fields
    account: str = "sandbox"
    steps: list[tuple[datetime, Fields]] = field(default_factory=list)  # ordered by instant
    override: Fields = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    clips: Any = field(default_factory=list)  # a job's; of any shape, for tests of drift
    submission: Fields = field(default_factory=dict)

    def at(self, now: datetime) -> Fields:
        """The record as the API returns it at that instant."""
        fields = dict(self.fields)
        for instant, changes in self.steps:
            if instant > now:
                break
            fields.update(changes)
        fields.update(self.override)
        for name in self.without:
            fields.pop(name, None)
        return fields

    def update(self, fields: Fields, without: Iterable[str] = ()) -> None:
        """Override fields from now on, also those that change over time."""
        self.override.update(fields)
        self.without = (self.without | set(without)) - set(fields)


def best_first(clips: Any) -> Any:
    """Clips by shareability_score, descending (Klipit reference, "Clips"); unscored last.

    Anything other than a list of objects is returned unchanged.
    """
    if not isinstance(clips, list) or not all(isinstance(clip, dict) for clip in clips):
        return clips

    def order(clip: Fields) -> tuple[bool, float]:
        score = clip.get("shareability_score")
        return (False, -score) if isinstance(score, int | float) else (True, 0)

    return sorted(clips, key=order)
