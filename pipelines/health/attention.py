"""What failed or could not be loaded, counted in one place.

The page, `status`, `doctor` and `sync --notify` all use these words and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.landing.rejected import rejected_sql
from pipelines.service import SERVICES

if TYPE_CHECKING:
    import duckdb

RECENT_DAYS = 7  # before the newest job or campaign, not before now: a pause must not hide failures
SHOWN = 3
_LETTERS = 80


def failures(con: duckdb.DuckDBPyConnection, service: str) -> dict[str, Any]:
    """Count the failed jobs or campaigns of a service.

    Recent are those of the 7 days up to the newest job or campaign. Clipus documents no reason.

    Returns:
        `total` and `recent` (counts), and `latest`: up to 3 dicts of id, name and reason.
    """
    rows = con.execute(
        f"""
        WITH records AS ({SERVICES[service].failures})
        SELECT
          id,
          name,
          reason,
          began_at > (SELECT MAX(began_at) FROM records) - INTERVAL {RECENT_DAYS} DAYS AS recent
        FROM records
        WHERE outcome = 'failed'
        ORDER BY began_at DESC, id
        """
    ).fetchall()
    return {
        "total": len(rows),
        "recent": sum(bool(recent) for *_, recent in rows),
        "latest": [
            {"id": id_, "name": _short(name), "reason": _short(reason) or "no reason given"}
            for id_, name, reason, _ in rows[:SHOWN]
        ],
    }


def rejected_counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """`records` that could not be loaded, ids `not_found`, and unfit `fields` of loaded ones.

    A record that was loaded later counts no more.
    """
    counts = con.execute(
        f"""
        SELECT
          COUNT(*) FILTER (reason NOT IN ('field', 'not_found')),
          COUNT(*) FILTER (reason = 'not_found'),
          COUNT(*) FILTER (reason = 'field')
        FROM ({rejected_sql()})
        """
    ).fetchone() or (0, 0, 0)
    return dict(zip(("records", "not_found", "fields"), counts, strict=True))


def rejected_words(counts: Mapping[str, int]) -> str:
    """'1 record could not be loaded, 2 ids were not found'; 'none' if all counts are 0."""
    words = {
        "records": ("record could not be loaded", "records could not be loaded"),
        "not_found": ("id was not found", "ids were not found"),
        "fields": ("undocumented value was left out", "undocumented values were left out"),
    }
    parts = [f"{counts[kind]:,} {words[kind][counts[kind] != 1]}" for kind in words if counts[kind]]
    return ", ".join(parts) or "none"


def not_loaded_words(counts: Mapping[str, int]) -> str:
    """The part of `rejected_words` that needs attention; empty if none does."""
    return rejected_words({**counts, "not_found": 0, "fields": 0}) if counts["records"] else ""


def rejected_in_sync(count: int) -> str:
    """What `rejected` of a sync's result counts, in words."""
    what = "id or record was" if count == 1 else "ids or records were"
    return f"{count:,} {what} rejected; `clipmart rejected` says why"


def _short(text: str | None) -> str:
    words = " ".join((text or "").split())
    return words if len(words) <= _LETTERS else f"{words[: _LETTERS - 1]}…"
