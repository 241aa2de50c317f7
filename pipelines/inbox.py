"""Known ids: how they come in (import), and how the inbox becomes `submissions` rows.

Neither API can list, so an id that is lost is lost for good: it is written to the ledger first and
landed from there.
"""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sources.shared.errors import Unusable
from sources.shared.tables import REMOVED, DataType, Row, Table, instant

from .ledger import Event, Ledger

SEQ = "_clipmart_seq"
"""Column of the event that a row was made from; how far the inbox is landed. Not published."""

_COMMON: dict[str, DataType] = {"submission_id": "text", "origin": "text", "state": "text"}
_STAMPS: dict[str, DataType] = {
    "error": "text",
    "submitted_at": "timestamp",
    "recorded_at": "timestamp",
    SEQ: "bigint",
}
_FIELDS: dict[str, dict[str, DataType]] = {
    "klipit": {
        "source_url": "text",
        "file_name": "text",
        "show_name": "text",
        "guest_name": "text",
        "description": "text",
        "platforms": "json",
    },
    "clipus": {"url": "text", "languages": "json", "title": "text", "webhook_url": "text"},
}
ID_NAME = {"klipit": "job_id", "clipus": "campaign_id"}
_VENDOR_JOB: dict[str, DataType] = {
    "job_id": "text"
}  # the POST of a campaign answers a job_id of its own

SUBMISSIONS = {
    "klipit": Table(
        "submissions",
        ("submission_id",),
        {**_COMMON, "job_id": "text", **_FIELDS["klipit"], **_STAMPS},
        parent="submission_id",
    ),
    "clipus": Table(
        "submissions",
        ("submission_id",),
        {**_COMMON, "campaign_id": "text", **_FIELDS["clipus"], **_VENDOR_JOB, **_STAMPS},
        parent="submission_id",
    ),
}
WEBHOOK_EVENTS = Table(
    "webhook_events",
    ("event_id",),
    {
        "event_id": "text",
        "event": "text",
        "job_id": "text",
        "clip_count": "bigint",
        "error": "text",
        "event_at": "timestamp",
        "received_at": "timestamp",
        SEQ: "bigint",
    },
)
EXPORTS = Table(
    "exports",
    ("export_id",),
    {
        "export_id": "text",
        "job_id": "text",
        "platform": "text",
        "format": "text",
        "state": "text",
        "export_url": "text",
        "expires_at": "timestamp",
        "requested_at": "timestamp",
        SEQ: "bigint",
    },
    parent="export_id",
)

LANDED_KINDS = ("import", "intent", "answer", "tie", "webhook", "balance", "undo", "export")
"""Kinds of events that become rows; `due` only asks for a poll."""


@dataclass
class Tracked:
    """What `track` made of its input."""

    events: list[Event] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """One line each, naming the input's line."""


def parse_ids(service: str, text: str, now: datetime, name: str = "") -> Tracked:
    """Known ids from a plain list (one a line) or CSV with a header.

    Args:
        text: decoded input; a byte order mark is allowed.
        name: what the lines are called in refusals, such as the file's name.
    """
    text = text.removeprefix("\ufeff")
    first = next((line for line in text.splitlines() if line.strip()), "")
    header = [column.strip().lower() for column in next(csv.reader([first]), [])]
    tracked = Tracked()
    if ID_NAME[service] in header:
        for line, record in _csv_records(text):
            _take(tracked, service, line, record, now, name)
    elif len(header) > 1:
        raise Unusable(
            f"{name or 'The input'} looks like CSV, but its header has no column "
            f"{ID_NAME[service]}. Nothing was kept. Name the column of ids {ID_NAME[service]}, or "
            "give one id a line."
        )
    else:
        for number, id_ in enumerate(text.splitlines(), 1):
            if id_.strip():
                _take(tracked, service, number, {ID_NAME[service]: id_.strip()}, now, name)
    return tracked


def refusal(service: str, id_: str) -> str | None:
    """Why an id can't be one of this service's; None if it may be."""
    if not id_:
        return "the id is empty"
    if len(id_) > 200:
        return "the id is longer than 200 characters"
    if re.match(r"[a-z][a-z0-9+.-]*://|www\.", id_, re.IGNORECASE):
        return "this is a URL, not an id"
    if id_ in (".", ".."):
        return "this is a folder, not an id"
    if re.search(r"[\s/?#%]", id_) or not id_.isprintable():
        return "an id has no white space, control characters or any of / ? # %"
    if service == "klipit" and _is_uuid(id_):
        return "this looks like a Clipus campaign; use `clipmart track clipus`"
    if service == "clipus" and id_.startswith("job_"):
        return "this looks like a Klipit job; use `clipmart track klipit`"
    return None


def due_intents(ledger: Ledger, service: str) -> set[str]:
    """Intents whose outcome is unknown."""
    unknown: set[str] = set()
    for event in ledger.events(service, kinds=("intent", "answer", "tie")):
        intent = event.body.get("intent_id")
        if event.kind == "intent":
            unknown.add(str(intent))
        elif event.kind == "tie" or event.body.get("outcome") in ("known", "failed"):
            unknown.discard(str(intent))
    return unknown


def fold(service: str, events: Iterable[Event], landed: Iterable[Row]) -> Iterator[Row]:
    """Bring `submissions` up to date with new events.

    Args:
        landed: the rows that the events may concern, as landed.

    Yields:
        The rows that changed, and a removal for one whose id turned out to be an intent's.
    """
    id_name = ID_NAME[service]
    rows = {row["submission_id"]: dict(row) for row in landed}
    by_id = {row[id_name]: row["submission_id"] for row in rows.values() if row[id_name]}
    changed: set[str] = set()
    removed: dict[str, Row] = {}
    for event in events:
        if event.kind not in ("import", "intent", "answer", "tie", "webhook"):
            continue
        intent, id_ = event.body.get("intent_id"), event.body.get(id_name)
        key = str(intent or by_id.get(id_) or id_)
        row = rows.setdefault(key, {"submission_id": key})
        row.setdefault("origin", _ORIGIN[event.kind])
        row.setdefault("recorded_at", event.recorded_at)
        if id_:
            double = by_id.get(id_)
            if double is not None and double != key:
                # The id was known before its intent's answer was: one row is enough.
                earlier = rows.pop(double)
                row.update({k: v for k, v in earlier.items() if row.get(k) is None})
                changed.discard(double)
                removed[double] = {"submission_id": double, REMOVED: True}
            guessed = row.get(id_name)
            if guessed and guessed != id_:
                # The intent was tied to another id before its answer came: that one stays known.
                rows[guessed] = {
                    **{"submission_id": guessed, id_name: guessed, "origin": "import"},
                    **{"state": "known", "recorded_at": event.recorded_at, SEQ: event.seq},
                }
                by_id[guessed] = guessed
                changed.add(guessed)
                removed.pop(guessed, None)
            by_id[id_] = key
            row[id_name] = id_
        for name, value in event.body.items():
            if name in SUBMISSIONS[service].columns and name != "error" and value is not None:
                row[name] = _landable(SUBMISSIONS[service].columns[name], value)
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
        row[SEQ] = event.seq
        changed.add(key)
    yield from (rows[key] for key in sorted(changed))
    yield from removed.values()


def webhook_rows(events: Iterable[Event]) -> Iterator[Row]:
    for event in events:
        if event.kind == "webhook":
            yield {
                "event_id": event.event_id,
                **{name: event.body.get(name) for name in ("event", "job_id", "clip_count")},
                "error": event.body.get("error"),
                "event_at": _landable("timestamp", event.body.get("event_at")),
                "received_at": event.recorded_at,
                SEQ: event.seq,
            }


def export_rows(events: Iterable[Event]) -> Iterator[Row]:
    """Exports by their latest event, which has all that is known; a removal for a refused one."""
    rows: dict[str, Row] = {}
    for event in events:
        if event.kind == "export":
            id_ = event.body["export_id"]
            if event.body["state"] == "failed":
                rows[id_] = {"export_id": id_, REMOVED: True}
                continue
            row = {
                name: _landable(kind, event.body.get(name))
                for name, kind in EXPORTS.columns.items()
            }
            rows[id_] = {**row, SEQ: event.seq}
    yield from rows.values()


def balance_rows(events: Iterable[Event]) -> Iterator[Row]:
    """Balances noted by hand, as `klipit.account_snapshots` rows; a removal for one taken back."""
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


_ORIGIN = {
    "import": "import",
    "tie": "import",
    "intent": "submit",
    "answer": "submit",
    "webhook": "webhook",
}


def _take(
    tracked: Tracked,
    service: str,
    line: int,
    record: Mapping[str, str],
    now: datetime,
    name: str,
) -> None:
    id_ = record.get(ID_NAME[service], "").strip()
    why = refusal(service, id_)
    body: dict[str, Any] = {ID_NAME[service]: id_}
    try:
        body.update(_metadata(service, record))
    except Unusable as error:
        why = why or str(error)
    if why:
        shown = id_ if len(id_) <= 60 and id_.isprintable() and "?" not in id_ else ""
        where = f"{name} line {line}" if name else f"line {line}"
        tracked.refused.append(f"{where}: {shown}{': ' if shown else ''}{why}")
        return
    tracked.events.append(Event(service, "import", uuid.uuid4().hex, id_, now, body))


def _metadata(service: str, record: Mapping[str, str]) -> dict[str, Any]:
    """The documented columns of an import that are filled in."""
    given = {name: value.strip() for name, value in record.items() if value and value.strip()}
    body: dict[str, Any] = {}
    names = (
        {"source_url": "source_url", "url": "source_url"}
        if service == "klipit"
        else {"url": "url", "source_url": "url"}
    )
    texts = {"show_name", "guest_name", "description"} if service == "klipit" else {"title"}
    names.update({name: name for name in texts})
    for column, field_name in names.items():
        if column in given:
            body.setdefault(field_name, given[column])
    lists = {"platforms": "platforms"} if service == "klipit" else {"languages": "languages"}
    for column, field_name in lists.items():
        if column in given:
            body[field_name] = [p.strip() for p in given[column].split(";") if p.strip()]
    if "submitted_at" in given:
        try:
            body["submitted_at"] = instant(given["submitted_at"]).isoformat()
        except ValueError as error:
            raise Unusable("submitted_at is not an ISO 8601 instant") from error
    return body


def _csv_records(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text), restval="")
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Unusable(
                f"line {line}: this is not CSV ({error}). Nothing was kept; mend it and run again."
            ) from error
        # Cells beyond the header come under no name.
        yield line, {name: value or "" for name, value in record.items() if name}


def _is_uuid(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", text))


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
