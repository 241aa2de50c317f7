"""`credits`: balances recorded by hand, for accounts whose balance Klipit's API does not report."""

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
API_PRECEDENCE = timedelta(days=7)
"""After the API reports one, reports ignore balances by hand this long (stg_klipit__balances)."""

Balance = tuple[datetime, float]


def balance_event(balance: float, at: datetime, now: datetime, origin: str = "hand") -> Event:
    """The event of a balance at an instant; `origin` is hand or api, `now` when it is recorded."""
    body = {"balance": balance, "at": at.isoformat(), "origin": origin}
    return Event(KLIPIT.name, "balance", uuid.uuid4().hex, None, now, body)


def record_balance(settings: Settings, balance: float, at: datetime, *, force: bool) -> str:
    """Record a balance in the ledger; returns the message for the person.

    Args:
        at: the time of the balance (UTC).
        force: accept an implausible one.

    Raises:
        Unusable: it is over 100 times, or under a hundredth of, the balance before it.
        FixConfiguration: the ledger cannot be written.
    """
    with closing(open_ledger(settings)) as ledger:
        reported = _reported(settings)
        known = reported + [
            (instant(event.body["at"]), float(event.body["balance"]))
            for event in _balances_by_hand(ledger)
        ]
        reported_at = {observed_at for observed_at, _ in reported}
        stored_at = at
        while stored_at in reported_at:  # its row must not replace the API's
            stored_at += timedelta(microseconds=1)
        earlier = [each for each in known if each[0] <= stored_at]
        if earlier and not force:
            _refuse_implausible(balance, max(reversed(earlier), key=lambda each: each[0])[1])
        ledger.add([balance_event(balance, stored_at, settings.now())])
    message = f"Recorded: a balance of {balance:g} at {at.isoformat()}. The next sync loads it."
    if any(observed_at > at - API_PRECEDENCE for observed_at in reported_at):
        message += (
            " Reports ignore it: the API has reported a balance since then, or within the 7 days "
            "before."
        )
    return message


def undo_last_balance(settings: Settings) -> str:
    """Void the last balance recorded by hand; returns the message for the person.

    Raises:
        Unusable: there is none.
        FixConfiguration: the ledger cannot be written.
    """
    with closing(open_ledger(settings)) as ledger:
        balances = _balances_by_hand(ledger)
        if not balances:
            raise Unusable(
                "No balance is recorded by hand, so there is none to take back. Nothing was "
                "changed. "
                "`clipmart credits BALANCE` records one."
            )
        last = balances.pop()
        at, balance = last.body["at"], last.body["balance"]
        earlier = [event.body["balance"] for event in balances if event.body["at"] == at]
        body = {"at": at, "balance": earlier[-1] if earlier else None}
        undo = Event(
            KLIPIT.name, "undo", f"undo {last.event_id}", last.event_id, settings.now(), body
        )
        ledger.add([undo])
    return f"Taken back: the balance of {balance:g} at {at}. The next sync removes it."


def _balances_by_hand(ledger: Ledger) -> list[Event]:
    """Balances recorded by hand and not taken back, oldest first."""
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
    """Balances that the API reported, as published."""
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
            f"The balance before was {before:g}, so {balance:g} looks like a mistake. "
            "Nothing was recorded. If it is right, add --force: "
            f"`clipmart credits {balance:g} --force`."
        )
