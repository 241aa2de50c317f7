"""What the ledger has about submissions, without a sync."""

from __future__ import annotations

from typing import Any

from pipelines.ids.track import known_submissions
from pipelines.ledger.ledger import Ledger
from pipelines.service import SEQ
from tests.support.clipmart import Clipmart


def submissions(clipmart: Clipmart, service: str) -> list[dict[str, Any]]:
    """Rows of `submissions` as the next sync would make them, oldest first."""
    ledger = Ledger(clipmart.data_dir / "state/ledger.sqlite")
    try:
        return sorted(known_submissions(ledger, service, []), key=lambda row: row[SEQ])
    finally:
        ledger.close()


def only(clipmart: Clipmart, service: str) -> dict[str, Any]:
    (row,) = submissions(clipmart, service)
    return row


def everything_on_disk(clipmart: Clipmart) -> bytes:
    """Every byte below the data folder."""
    return b"".join(p.read_bytes() for p in clipmart.data_dir.rglob("*") if p.is_file())
