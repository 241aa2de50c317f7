"""`credits`: balances noted by hand, for where Klipit's API reports none."""

from __future__ import annotations

import uuid
from contextlib import closing
from datetime import datetime, timedelta

from pipelines.ledger.ledger import Event, Ledger, open_ledger
from pipelines.service import KLIPIT
from pipelines.settings import Settings
from sources.shared.errors import Unusable
from sources.shared.values import instant

IMPLAUSIBLE_TIMES = 100
API_DAYS = timedelta(days=7)
"""For so long after an answer of the API, reports leave hand notes out (stg_klipit__balances)."""

Balance = tuple[datetime, float]


def balance_event(balance: float, at: datetime, now: datetime, origin: str = "hand") -> Event:
    body = {"balance": balance, "at": at.isoformat(), "origin": origin}
    return Event(KLIPIT.name, "balance", uuid.uuid4().hex, None, now, body)


def note_balance(settings: Settings, balance: float, at: datetime, *, force: bool) -> str:
    """Record a balance in the ledger; returns what to say of it.

    Args:
        at: when it was so (UTC).
        force: also where it is implausible.

    Raises:
        Unusable: it is over 100 times or under a hundredth of the balance before it.
        FixConfiguration: the ledger cannot be written.
    """
    with closing(open_ledger(settings)) as ledger:
        by_api = _reported(settings)
        known = by_api + [
            (instant(event.body["at"]), float(event.body["balance"]))
            for event in _hand_notes(ledger)
        ]
        reported_at = {observed_at for observed_at, _ in by_api}
        stored_at = at
        while stored_at in reported_at:  # its row must not take the place of the API's
            stored_at += timedelta(microseconds=1)
        earlier = [one for one in known if one[0] <= stored_at]
        if earlier and not force:
            _refuse_implausible(balance, max(reversed(earlier), key=lambda one: one[0])[1])
        ledger.add([balance_event(balance, stored_at, settings.now())])
    said = f"Recorded: {balance:g} credits at {at.isoformat()}. The next sync loads it."
    if any(observed_at > at - API_DAYS for observed_at in reported_at):
        said += (
            " Reports leave it out: the API reports the balance itself, and did so within 7 days "
            "or since."
        )
    return said


def take_back(settings: Settings) -> str:
    """Void the balance that was noted last; returns what to say of it.

    Raises:
        Unusable: there is none.
        FixConfiguration: the ledger cannot be written.
    """
    with closing(open_ledger(settings)) as ledger:
        notes = _hand_notes(ledger)
        if not notes:
            raise Unusable(
                "No balance is noted by hand, so there is none to take back. Nothing was changed. "
                "`clipmart credits BALANCE` notes one."
            )
        last = notes.pop()
        at, balance = last.body["at"], last.body["balance"]
        earlier = [note.body["balance"] for note in notes if note.body["at"] == at]
        body = {"at": at, "balance": earlier[-1] if earlier else None}
        undo = Event(
            KLIPIT.name, "undo", f"undo {last.event_id}", last.event_id, settings.now(), body
        )
        ledger.add([undo])
    return f"Taken back: {balance:g} credits at {at}. The next sync removes it."


def _hand_notes(ledger: Ledger) -> list[Event]:
    """What was noted by hand and not taken back, in the order of noting."""
    events = list(ledger.events(KLIPIT.name, kinds=("balance", "undo")))
    undone = {event.subject for event in events if event.kind == "undo"}
    return [
        event
        for event in events
        if event.kind == "balance"
        and event.event_id not in undone
        and event.body.get("origin", "hand") == "hand"
    ]


def _reported(settings: Settings) -> list[Balance]:
    """What the API reported, as published."""
    from pipelines.warehouse.read import NotPublished, open_published

    try:
        with open_published(settings) as con:
            return con.execute(
                """SELECT observed_at, balance FROM klipit.account_snapshots
                   WHERE origin = 'api' AND balance IS NOT NULL"""
            ).fetchall()
    except NotPublished:
        return []


def _refuse_implausible(balance: float, before: float) -> None:
    most, least = before * IMPLAUSIBLE_TIMES, before / IMPLAUSIBLE_TIMES
    if before > 0 and not least <= balance <= most:
        raise Unusable(
            f"The balance before was {before:g} credits, so {balance:g} looks like a slip. "
            "Nothing was recorded. If it is right, add --force: "
            f"`clipmart credits {balance:g} --force`."
        )
