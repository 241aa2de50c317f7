"""Drain: bring the landing store up to what dlt and the ledger already hold.

A sync begins with it, because a dlt run that finds pending packages loads those and skips its data.
"""

from __future__ import annotations

from pipelines.ledger.ledger import Ledger
from pipelines.service import SEQ, SERVICES

from .inbox import LANDED_KINDS
from .loader import Loader
from .store import Landing
from .tables import inbox_tables, tables_of


def drain(loader: Loader, ledger: Ledger, landing: Landing) -> dict[str, int]:
    """Load what is pending, then every event that has not landed yet.

    Returns:
        service → the number of its latest event that had landed before.
    """
    loader.drain()
    before = {}
    for name in SERVICES:
        landed = [table.name for table in inbox_tables(name) if SEQ in table.columns]
        with landing.at_once():
            has_tables = landing.has_tables(name, tables_of(name))
            before[name] = drained = landing.drained_up_to(name, landed) if has_tables else 0
        ledger.number_above(drained)
        if ledger.last_seq(name, LANDED_KINDS) > drained:
            loader.drain_inbox(ledger, name, landing, create_tables=not has_tables)
            landing.remove_old_states(name)
    return before
