"""Compaction: what keeps a ledger small that is years old.

Events that have landed and been published move into compressed blocks (`blocks.py`), whole: if the
landing store and the published file are lost, they land again from there. What only the next poll
or the next message needed, and a later event has replaced, is removed; so are old runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from . import blocks
from .ledger import Event, Ledger

WAIT = timedelta(days=7)
"""How long an event stays as it was recorded."""
RUN_LOG = timedelta(days=30)
RUNS = 20
"""The last runs, which stay however old they are; the page lists as many."""

# The receiver waits 1.5 s for another process's commit; each of these takes a tenth of that.
_BLOCKS, _REMOVED, _PAGES = 16, 10_000, 1_000
MOST = 25 * _BLOCKS * blocks.EVENTS
"""Events of a service that one call moves: two seconds."""


def compact(ledger: Ledger, service: str, kinds: Iterable[str], landed: int, now: datetime) -> None:
    """Move a service's events into blocks, if they were recorded a week ago or earlier.

    The newest event of a kind stays where it is: numbers go on from it.

    Args:
        landed: the number of the latest event that has landed and been published.
    """
    left = MOST
    for kind in kinds:
        while left > 0 and (moved := _move(ledger, service, kind, landed, now - WAIT)):
            left -= moved


def _move(ledger: Ledger, service: str, kind: str, landed: int, before: datetime) -> int:
    """Move the oldest events of a kind in one transaction; returns how many."""
    most = _BLOCKS * blocks.EVENTS
    values = {"service": service, "kind": kind, "landed": landed}
    with ledger.store.transaction("inbox"):
        rows = ledger.store.execute(
            f"""SELECT seq, event_id, subject, body, recorded_at FROM events
                WHERE service = :service AND kind = :kind AND seq <= :landed
                ORDER BY seq LIMIT {most + 1}""",
            values,
        ).fetchall()
        moved = 0
        # Only whole blocks, and not the last row, which may be the newest event.
        while len(events := rows[moved : moved + blocks.EVENTS + 1][:-1]) == blocks.EVENTS:
            recorded_until = max(datetime.fromisoformat(event[4]) for event in events)
            if recorded_until >= before or moved == most:
                break
            _insert(ledger, service, kind, [tuple(event) for event in events], recorded_until)
            moved += blocks.EVENTS
        if moved:
            ledger.store.execute(
                """DELETE FROM events
                   WHERE service = :service AND kind = :kind AND seq <= :last""",
                {**values, "last": rows[moved - 1][0]},
            )
    return moved


def _insert(
    ledger: Ledger, service: str, kind: str, events: list[Any], recorded_until: datetime
) -> None:
    packed = blocks.pack(events)
    names = blocks.COLUMNS.split(", ")
    block_id = sha256(packed).hexdigest()[:32]
    first_seq, last_seq = events[0][0], events[-1][0]
    row = (block_id, service, kind, first_seq, last_seq, recorded_until.isoformat(), len(events))
    ledger.store.execute(
        f"""INSERT INTO blocks ({blocks.COLUMNS}) VALUES (:{", :".join(names)})
            ON CONFLICT (block_id) DO NOTHING""",
        dict(zip(names, (*row, packed), strict=True)),
    )


def remove_replaced(
    ledger: Ledger,
    service: str,
    kind: str,
    about: Callable[[Event], object] = lambda event: event.subject,
) -> None:
    """Remove all events of a kind but the latest about each thing.

    For kinds that never land, such as `due`.
    """
    latest: dict[object, int] = {}
    replaced = []
    for event in ledger.events(service, kinds=[kind]):
        if (thing := about(event)) in latest:
            replaced.append(latest[thing])
        latest[thing] = event.seq
    if replaced:
        with ledger.store.transaction("inbox"):
            for seq in replaced[:_REMOVED]:
                ledger.store.execute("DELETE FROM events WHERE seq = :seq", {"seq": seq})


def remove_runs(ledger: Ledger, services: Iterable[str], landed: datetime, now: datetime) -> None:
    """Remove runs that landed a month ago or earlier.

    The last that succeeded of each service stays, because `status` names it, and so do the last
    `RUNS`.

    Args:
        landed: the time up to which runs have landed and been published.
    """
    succeeded = (ledger.last_synced(service, now) for service in services)
    stay = {f"at{number}": at.isoformat() for number, at in enumerate(succeeded) if at is not None}
    marks = ", ".join(f":{name}" for name in stay) or "NULL"
    ledger.store.execute(
        f"""DELETE FROM runs WHERE started_at < :before AND COALESCE(finished_at, '') < :before
            AND run_id NOT IN (SELECT run_id FROM runs ORDER BY started_at DESC LIMIT {RUNS})
            AND run_id NOT IN (SELECT run_id FROM runs WHERE finished_at IN ({marks}))""",
        {"before": min(landed, now - RUN_LOG).isoformat(), **stay},
    )


def give_back(ledger: Ledger) -> None:
    """Return a file's free pages to the disk; PostgreSQL does that by itself."""
    if ledger.shared is not None:
        return
    free = [_free_pages(ledger)]
    while free[-1] >= _PAGES and free[-1] not in free[:-1]:
        ledger.store.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
        free.append(_free_pages(ledger))


def _free_pages(ledger: Ledger) -> int:
    (number,) = ledger.store.execute("PRAGMA freelist_count").fetchone()
    return int(number)
