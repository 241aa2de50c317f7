"""What to request: an id that is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Due:
    """An id worth requesting."""

    id: str
    poll: bool = True
    """False if the record is known to be finished and only its children are missing."""
    children_read_at: datetime | None = None
    refresh: bool = False
    """Requested by name, even if settled; its children are read again."""
