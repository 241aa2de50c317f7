"""What to request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Due:
    """An id worth requesting."""

    id: str
    poll: bool = True
    """False: the record is known to be finished, only its children are missing."""
    children_read_at: datetime | None = None
    refresh: bool = False
    """Requested by name: also if settled, and its children are read again."""
