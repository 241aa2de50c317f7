"""`track`, `untrack` and `ids`: record ids in the ledger, stop tracking them, print them as CSV."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipelines.ids.parse import parse_ids
from pipelines.landing.inbox import fold, unknown_intents
from pipelines.landing.store import bound
from pipelines.ledger.ledger import Event, Ledger, open_ledger
from pipelines.service import SERVICES
from pipelines.settings import Settings
from sources.shared.errors import Unusable
from sources.shared.tables import REMOVED, Row
from sources.shared.values import digest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS = 50_000
"""Rows of the published file that are in memory at once."""


@dataclass
class Outcome:
    """What `track` did: ids recorded, how many of them were new to the ledger, refusals by line."""

    recorded: int = 0
    new: int = 0
    refused: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def track_ids(
    settings: Settings, service: str, texts: Iterable[tuple[str, str]], intent: str | None
) -> Outcome:
    """Record ids in the ledger.

    Args:
        texts: (name of the input, its text).
        intent: the unknown submission that the one id belongs to.

    Raises:
        Unusable: the input is neither a list nor CSV, or there is no such intent.
        FixConfiguration: the ledger cannot be written.
    """
    outcome = Outcome()
    events: list[Event] = []
    for name, text in texts:
        parsed = parse_ids(service, text, settings.now(), name)
        events += parsed.events
        outcome.refused += parsed.refused
        outcome.remarks += parsed.remarks
    with closing(open_ledger(settings)) as ledger:
        if intent is not None and events:
            if intent not in unknown_intents(ledger, service):
                raise Unusable(
                    f"There is no {service} submission {intent} whose outcome is unknown. Nothing "
                    "was recorded. `clipmart status` lists the unknown ones."
                )
            events = [_tied_to_intent(event, intent) for event in events]
        known = _latest_import(ledger, service, [str(event.subject) for event in events])
        ledger.add(event for event in events if not _says_nothing_new(event, known))
        outcome.recorded = len(events)
        outcome.new = len({event.subject for event in events} - known.keys())
    return outcome


def untrack_ids(settings: Settings, service: str, ids: Iterable[str]) -> list[str]:
    """Stop polling and counting ids; their rows stay.

    Returns:
        The ids that are not tracked, for which nothing is recorded.

    Raises:
        FixConfiguration: the ledger cannot be written.
    """
    id_name, now = SERVICES[service].id_name, settings.now()
    wanted = list(dict.fromkeys(ids))
    with closing(open_ledger(settings)) as ledger:
        rows = known_submissions(ledger, service, published_submissions(settings, service))
        known = {row.get(id_name) for row in rows}
        ledger.add(
            Event(service, "untrack", uuid.uuid4().hex, id_, now, {id_name: id_})
            for id_ in wanted
            if id_ in known
        )
    return [id_ for id_ in wanted if id_ not in known]


def known_ids(settings: Settings, service: str) -> Iterator[str]:
    """Every known id of a service with its metadata, as CSV that `track` reads, in pieces.

    From the published file and the ledger's events about what is not in it, or newer. It only
    reads, so a read-only data folder will do.
    """
    from pipelines.warehouse.read import NotPublished, open_published

    record = SERVICES[service]
    columns = list(dict.fromkeys(record.csv.values()))
    yield _lines([columns])
    with ExitStack() as stack:
        ledger = con = None
        if settings.ledger_database or settings.ledger.exists():
            ledger = stack.enter_context(closing(open_ledger(settings, read_only=True)))
        with suppress(NotPublished):
            con = stack.enter_context(open_published(settings))
        changed = _changed_since_published(settings, service, ledger, con)
        needed = ("submission_id", "untracked_at", *columns)
        for rows in _published_rows(con, service, columns=needed) if con else ():
            current = (changed.pop(str(row["submission_id"]), row) for row in rows)
            yield _lines(_csv_cells(current, record.id_name, columns))
    yield _lines(_csv_cells(changed.values(), record.id_name, columns))


def _changed_since_published(
    settings: Settings, service: str, ledger: Ledger | None, con: DuckDBPyConnection | None
) -> dict[str, Row]:
    """submission_id → its row by the ledger, of what is not published or was named since then."""
    if ledger is None:
        return {}
    id_name = SERVICES[service].id_name
    published_at, known = None, set[str]()
    if con is not None:
        ((published_at,),) = con.execute("SELECT published_at FROM clipmart.publication").fetchall()
        for id_, key in con.execute(
            f"""SELECT {id_name}, submission_id FROM {service}.submissions
                WHERE {id_name} IS NOT NULL OR state = 'failed'"""
        ).fetchall():
            known |= {id_, key}
    named = ledger.subjects(service, published_at, settings.now())
    subjects = {subject for subject, since in named if subject and (since or subject not in known)}
    if not subjects:
        return {}
    events = ledger.events_about(service, id_name, subjects)
    names = (id_name, "intent_id")
    ids = {str(event.body[name]) for event in events for name in names if event.body.get(name)}
    named_in = f"submission_id IN (SELECT unnest($ids)) OR {id_name} IN (SELECT unnest($ids))"
    published = _published_rows(con, service, bound(named_in, ids=ids)) if con and ids else ()
    rows = [row for part in published for row in part]
    return {str(row["submission_id"]): row for row in fold(service, events, rows)}


def _published_rows(
    con: DuckDBPyConnection, service: str, where: str = "true", columns: Iterable[str] = ()
) -> Iterator[list[Row]]:
    """The published rows of a service's `submissions`, some at a time; without columns, whole."""
    declared = SERVICES[service].submissions.columns
    published = [c[0] for c in con.execute(f"FROM {service}.submissions LIMIT 0").description or []]
    names = [name for name in published if name in (set(columns) or declared)]
    absent = dict.fromkeys(declared.keys() - set(names))
    con.execute(f"SELECT {', '.join(names)} FROM {service}.submissions WHERE {where}")
    while part := con.fetchmany(ROWS):
        yield [{**absent, **dict(zip(names, row, strict=True))} for row in part]


def _csv_cells(rows: Iterable[Row], id_name: str, columns: list[str]) -> Iterator[list[Any]]:
    """The cells of tracked ids."""
    for row in rows:
        if row.get(id_name) and not row.get(REMOVED) and row.get("untracked_at") is None:
            yield [_cell(row.get(column)) for column in columns]


def _lines(rows: Iterable[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def known_submissions(ledger: Ledger | None, service: str, published: list[Row]) -> list[Row]:
    """Every submission of a service: the published ones, updated from the ledger, if any.

    Untracked ids are left out.
    """
    rows_by_id = {row["submission_id"]: row for row in published}
    events = ledger.events(service) if ledger else ()
    for row in fold(service, events, published):
        rows_by_id[row["submission_id"]] = row
    return [
        row
        for row in rows_by_id.values()
        if not row.get(REMOVED) and row.get("untracked_at") is None
    ]


def published_submissions(settings: Settings, service: str) -> list[Row]:
    """The published rows of a service's `submissions`; [] before anything is published."""
    from pipelines.warehouse.read import NotPublished, open_published

    try:
        with open_published(settings) as con:
            cursor = con.execute(f"FROM {service}.submissions")
            names = [column[0] for column in cursor.description or []]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except NotPublished:
        return []
    return [{name: row.get(name) for name in SERVICES[service].submissions.columns} for row in rows]


def _cell(value: Any) -> Any:
    """Lists, which land as JSON text, separated by semicolons; instants in ISO 8601."""
    if isinstance(value, str):
        return _listed(value) if value.startswith("[") else value
    return value.isoformat() if hasattr(value, "isoformat") else value


@lru_cache(1000)
def _listed(value: str) -> str:
    try:
        parts = json.loads(value)
    except ValueError:
        return value
    if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
        return ";".join(parts)
    return value


def _tied_to_intent(event: Event, intent: str) -> Event:
    body = {**event.body, "intent_id": intent, "outcome": "known"}
    return replace(event, kind="tie", event_id=digest("tie", intent, event.subject), body=body)


def _latest_import(ledger: Ledger, service: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """id → body of its latest import; {} if it is known another way. Without untracked ids."""
    id_name = SERVICES[service].id_name
    known: dict[str, dict[str, Any]] = {}
    untracked: set[str] = set()
    for event in ledger.events_about(service, id_name, ids):
        id_ = event.body.get(id_name)
        if id_ and event.kind == "untrack":
            untracked.add(id_)
            known.pop(id_, None)
        elif id_ and not (event.kind == "webhook" and id_ in untracked):
            untracked.discard(id_)
            known[id_] = event.body if event.kind == "import" else {}
    return known


def _says_nothing_new(event: Event, known: dict[str, dict[str, Any]]) -> bool:
    if event.kind != "import" or event.subject not in known:
        return False
    return len(event.body) == 1 or event.body == known[event.subject]
