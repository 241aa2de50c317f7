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
from typing import TYPE_CHECKING, Any

from pipelines.ledger.ledger import Event, Ledger
from sources.shared.errors import Unusable
from sources.shared.tables import REMOVED, DataType, Row, Table, instant

if TYPE_CHECKING:
    import duckdb

SEQ = "_clipmart_seq"
"""Column of the event that a row was made from; how far the inbox is landed. Not published."""

_COMMON: dict[str, DataType] = {"submission_id": "text", "origin": "text", "state": "text"}
_STAMPS: dict[str, DataType] = {
    "error": "text",
    "submitted_at": "timestamp",
    "recorded_at": "timestamp",
    "untracked_at": "timestamp",
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

# What a CSV's columns may be called → the field; of two for one field the first here counts.
_COLUMNS = {
    "klipit": {
        **{"job_id": "job_id", "id": "job_id"},
        **{"show_name": "show_name", "show": "show_name"},
        **{"guest_name": "guest_name", "guest": "guest_name"},
        **{"description": "description", "platforms": "platforms"},
        **{"source_url": "source_url", "url": "source_url"},
        "submitted_at": "submitted_at",
    },
    "clipus": {
        **{"campaign_id": "campaign_id", "id": "campaign_id"},
        **{"url": "url", "source_url": "url"},
        **{"title": "title", "languages": "languages", "submitted_at": "submitted_at"},
    },
}
_LISTS = ("platforms", "languages")

LANDED_KINDS = (
    *("import", "untrack", "intent", "answer", "tie", "webhook"),
    *("balance", "undo", "export"),
)
"""Kinds of events that become rows; `due` only asks for a poll."""


@dataclass
class Tracked:
    """What `track` made of its input."""

    events: list[Event] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """One line each, naming the input's line."""
    remarks: list[str] = field(default_factory=list)
    """What else to say of the input, a line each."""


def parse_ids(service: str, text: str, now: datetime, name: str = "") -> Tracked:
    """Known ids from a plain list (one a line) or CSV with a header.

    Commas, semicolons or tabs separate the CSV's columns, whichever its header has.

    Args:
        text: decoded input; a byte order mark is allowed.
        name: what the lines are called in refusals, such as the file's name.
    """
    text = text.removeprefix("\ufeff")
    # Excel's own first line says the separator; the columns' names say it too.
    text = re.sub(r"\A\"?sep=.\"?[ \t]*(?=\r?\n)", "", text, flags=re.IGNORECASE)
    what = name or "The input"
    tracked = Tracked()
    header, delimiter = _header(service, text)
    columns = {_COLUMNS[service].get(column, column) for column in header}
    if delimiter and ID_NAME[service] in columns:
        unused = [column for column in header if column and column not in _names(service, header)]
        if unused:
            tracked.remarks.append(f"{what}: columns not used: {', '.join(unused)}")
        for line, record in _csv_records(text, delimiter):
            named = _names(service, header)
            values = {named[column]: cell for column, cell in record.items() if column in named}
            _take(tracked, service, line, values, now, name)
    elif delimiter in (",", "\t") or (delimiter and columns & set(_COLUMNS[service].values())):
        raise Unusable(
            f"{what} looks like CSV, but its header has no column {ID_NAME[service]}. Nothing was "
            f"recorded. Name the column of ids {ID_NAME[service]}, or give one id a line."
        )
    else:
        for number, id_ in enumerate(text.splitlines(), 1):
            if id_.strip():
                _take(tracked, service, number, {ID_NAME[service]: id_.strip()}, now, name)
        odd = sum(";" in str(event.subject) for event in tracked.events)
        if odd:
            tracked.remarks.append(
                f"{what}: {odd} of the ids hold a semicolon. If this is CSV, give it a header with "
                f"the column {ID_NAME[service]}; `clipmart untrack {service} ID` forgets a wrong id"
            )
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
        if event.kind not in _ORIGIN:
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
        if event.kind == "untrack":
            row["untracked_at"] = event.recorded_at
        elif id_ and event.kind != "webhook":
            row["untracked_at"] = None
        row[SEQ] = event.seq
        changed.add(key)
    yield from (rows[key] for key in sorted(changed))
    yield from removed.values()


def tracked(con: duckdb.DuckDBPyConnection, service: str) -> str:
    """The condition under which a row of `submissions` is of an id that is still tracked.

    A store or file that an earlier version wrote has nothing untracked.
    """
    columns = con.execute(f"FROM {service}.submissions LIMIT 0").description or []
    return "untracked_at IS NULL" if "untracked_at" in {c[0] for c in columns} else "true"


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
    "untrack": "import",
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
    body: dict[str, Any] = {}
    for name, value in record.items():
        text = value.strip()
        if not text or name == ID_NAME[service]:
            continue
        if name in _LISTS:
            body[name] = [part.strip() for part in re.split("[;,]", text) if part.strip()]
        elif name == "submitted_at":
            try:
                body[name] = instant(text).isoformat()
            except ValueError as error:
                raise Unusable("submitted_at is not an ISO 8601 instant") from error
        else:
            body[name] = text
    return body


def _header(service: str, text: str) -> tuple[list[str], str | None]:
    """The column names of the first line, and what separates them; None where nothing does.

    A line with the column of ids is split by what brings that out, any other by what it has.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    splits = {}
    for delimiter in (",", ";", "\t"):
        names = next(csv.reader([first], delimiter=delimiter), [])
        splits[delimiter] = [_column(name) for name in names]
    for delimiter, names in splits.items():
        # A lone `id` could be one; above others it is their column's name.
        alone = len(names) == 1 and len(lines) == 1
        if ID_NAME[service] in names or (names.count("id") == 1 and not alone):
            return names, delimiter
    delimiter = max(splits, key=lambda each: len(splits[each]))
    names = splits[delimiter]
    return names, delimiter if len(names) > 1 else None


def _names(service: str, header: list[str]) -> dict[str, str]:
    """The columns of a CSV that are used → their fields; one column for a field."""
    used: dict[str, str] = {}
    for column, name in _COLUMNS[service].items():
        if column in header and name not in used.values():
            used[column] = name
    return used


def _csv_records(text: str, delimiter: str | None) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter or ",")
    header: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Unusable(
                f"line {line}: this is not CSV ({error}). Nothing was recorded. Correct the line "
                "and run the command again."
            ) from error
        if header and row:
            # Cells beyond the header come under no name.
            yield line, {**dict.fromkeys(header, ""), **dict(zip(header, row, strict=False))}
        elif any(cell.strip() for cell in row):
            header = [_column(name) for name in row]


def _column(name: str) -> str:
    """The name of a CSV's column as people vary it: "Job ID" is job_id."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


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
