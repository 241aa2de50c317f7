"""The inbox: how the ledger's events become rows of the landing tables.

Neither API can list, so a lost id is lost for good: it is written to the ledger first and landed
from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from pipelines.ledger.ledger import Event, Ledger
from pipelines.service import SEQ, SERVICES
from sources.shared.tables import REMOVED, Row, Table
from sources.shared.values import instant

WEBHOOKS = "webhook_events"
LANDED_KINDS = (
    *("import", "untrack", "intent", "answer", "tie", "webhook"),
    *("balance", "undo", "export"),
)
"""Kinds of events that become rows; `due` only requests a poll."""


_SETTLED = ('"outcome": "known"', '"outcome": "failed"')
"""Parts of an answer's JSON: the outcome of its intent is known."""


def unknown_intents(ledger: Ledger, service: str) -> set[str]:
    """Intents whose outcome is unknown."""
    unknown: set[str] = set()
    done = {str(tie.body.get("intent_id")) for tie in ledger.events(service, kinds=("tie",))}
    for kind, subject, body in ledger.texts(service, kinds=("intent", "answer")):
        if kind == "intent":
            unknown.add(subject)
        elif any(outcome in body for outcome in _SETTLED):
            done.add(subject)
    return unknown - done


def fold(service: str, events: Iterable[Event], landed: Iterable[Row]) -> Iterator[Row]:
    """Update `submissions` with new events.

    Args:
        landed: the rows that the events may concern, as landed.

    Yields:
        The rows that changed, and a removal of each row whose id turned out to be an intent's.
    """
    id_name, columns = SERVICES[service].id_name, SERVICES[service].submissions.columns
    rows = {row["submission_id"]: dict(row) for row in landed}
    by_id = {row[id_name]: row["submission_id"] for row in rows.values() if row[id_name]}
    changed: set[str] = set()
    removed: dict[str, Row] = {}
    for event in events:
        if event.kind not in _ORIGIN:
            continue
        intent, id_ = event.body.get("intent_id"), event.body.get(id_name)
        key = str(intent or by_id.get(id_) or id_)
        row = rows.setdefault(key, {"submission_id": key})
        row.setdefault("origin", _ORIGIN[event.kind])
        row.setdefault("recorded_at", event.recorded_at)
        if id_:
            duplicate = by_id.get(id_)
            if duplicate is not None and duplicate != key:
                # The id was known before its intent's answer: one row is enough.
                earlier = rows.pop(duplicate)
                row.update({k: v for k, v in earlier.items() if row.get(k) is None})
                changed.discard(duplicate)
                removed[duplicate] = {"submission_id": duplicate, REMOVED: True}
            tied_id = row.get(id_name)
            if tied_id and tied_id != id_:
                # The intent was tied to another id before its answer came: that id stays known.
                rows[tied_id] = {
                    **{"submission_id": tied_id, id_name: tied_id, "origin": "import"},
                    **{"state": "known", "recorded_at": event.recorded_at, SEQ: event.seq},
                }
                by_id[tied_id] = tied_id
                changed.add(tied_id)
                removed.pop(tied_id, None)
            by_id[id_] = key
            row[id_name] = id_
        for name, value in event.body.items():
            if name in columns and name != "error" and value is not None:
                row[name] = _landable(columns[name], value)
        outcome = event.body.get("outcome")
        if event.kind in ("answer", "tie"):
            # A webhook has an error too: the job's, not the submission's.
            row["error"] = event.body.get("error")
        if id_:
            row["state"] = "known"
        elif event.kind == "intent":
            row.setdefault("state", "unknown")
        elif outcome == "failed":
            row["state"] = "failed"
        if event.kind == "untrack":
            row["untracked_at"] = event.recorded_at
        elif id_ and event.kind != "webhook":
            row["untracked_at"] = None
        row[SEQ] = event.seq
        changed.add(key)
    yield from (rows[key] for key in sorted(changed))
    yield from removed.values()


class Landed(Protocol):
    """What has landed of the things that events are about."""

    def submissions(self, service: str, subjects: Iterable[str]) -> list[Row]:
        """The submissions of some ids."""

    def received(self, service: str, event_ids: Iterable[str]) -> dict[str, datetime]:
        """The webhook events among these, and when each was first received."""


def rows_of_events(
    service: str, table: Table, events: list[Event], landed: Landed
) -> Iterator[Row]:
    """The rows that a service's events add to or change in one of the tables that they fill."""
    if table is SERVICES[service].submissions:
        names = (SERVICES[service].id_name, "intent_id")
        subjects = {event.body[n] for event in events for n in names if event.body.get(n)}
        return fold(service, events, landed.submissions(service, sorted(subjects)))
    if table.name == WEBHOOKS:
        ids = [event.event_id for event in events if event.kind == "webhook"]
        return webhook_rows(events, landed.received(service, ids))
    return _ROWS[table.name](table, events)


def webhook_rows(events: Iterable[Event], received: Mapping[str, datetime]) -> Iterator[Row]:
    """A row of `klipit.webhook_events` for each call, however often it was repeated.

    Args:
        received: the events that have landed, and when each was first received.
    """
    first = dict(received)
    rows: dict[str, Row] = {}
    for event in events:
        if event.kind == "webhook":
            rows[event.event_id] = {
                "event_id": event.event_id,
                **{name: event.body.get(name) for name in ("event", "job_id", "clip_count")},
                "error": event.body.get("error"),
                "event_at": _landable("timestamp", event.body.get("event_at")),
                "received_at": first.setdefault(event.event_id, event.recorded_at),
                SEQ: event.seq,
            }
    yield from rows.values()


def export_rows(table: Table, events: Iterable[Event]) -> Iterator[Row]:
    """A row for each export, from its latest event; a removal for a refused one."""
    rows: dict[str, Row] = {}
    for event in events:
        if event.kind == "export":
            id_ = event.body["export_id"]
            if event.body["state"] == "failed":
                rows[id_] = {"export_id": id_, REMOVED: True}
                continue
            row = {
                name: _landable(kind, event.body.get(name)) for name, kind in table.columns.items()
            }
            rows[id_] = {**row, SEQ: event.seq}
    yield from rows.values()


def balance_rows(_: Table, events: Iterable[Event]) -> Iterator[Row]:
    """Balances by hand as rows of `klipit.account_snapshots`; a removal for one taken back."""
    rows: dict[datetime, Row] = {}
    for event in events:
        if event.kind not in ("balance", "undo"):
            continue
        at, balance = instant(event.body["at"]), event.body["balance"]
        rows[at] = {"observed_at": at}
        if balance is None:
            rows[at][REMOVED] = True
        else:
            origin = event.body.get("origin", "hand")
            rows[at] |= {"balance": float(balance), "origin": origin, SEQ: event.seq}
    yield from rows.values()


_ROWS: dict[str, Callable[[Table, Iterable[Event]], Iterator[Row]]] = {
    "exports": export_rows,
    "account_snapshots": balance_rows,
}
_ORIGIN = {
    "import": "import",
    "untrack": "import",
    "tie": "import",
    "intent": "submit",
    "answer": "submit",
    "webhook": "webhook",
}


def _landable(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "timestamp" and isinstance(value, str):
        try:
            return instant(value)
        except ValueError:
            return None
    if kind == "json" and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value
