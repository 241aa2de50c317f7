"""Parsing ids: a plain list, or CSV with a header; and which ids are refused."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipelines.ledger.ledger import Event
from pipelines.service import SERVICES, Service
from sources.shared.errors import Unusable
from sources.shared.values import instant

_LISTS = ("platforms", "languages")


@dataclass
class ParsedIds:
    """The ids of an input, and what to report about the rest."""

    events: list[Event] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """One line each, naming the input's line."""
    remarks: list[str] = field(default_factory=list)
    """Other remarks on the input, a line each."""


def parse_ids(service: str, text: str, now: datetime, name: str = "") -> ParsedIds:
    """Ids from a plain list (one a line) or CSV with a header.

    The CSV's header decides whether commas, semicolons or tabs separate its columns.

    Args:
        text: decoded input; a byte order mark is allowed.
        name: how refusals name the input, such as the file's name.
    """
    text = text.removeprefix("\ufeff")
    # Excel may begin with a line that names the separator; the header shows it anyway.
    text = re.sub(r"\A\"?sep=.\"?[ \t]*(?=\r?\n)", "", text, flags=re.IGNORECASE)
    what, record = name or "The input", SERVICES[service]
    parsed = ParsedIds()
    header, delimiter = _header(record, text)
    columns = {record.csv.get(column, column) for column in header}
    if delimiter and record.id_name in columns:
        unused = [
            column for column in header if column and column not in _used_columns(record, header)
        ]
        if unused:
            parsed.remarks.append(f"{what}: columns not used: {', '.join(unused)}")
        for line, row in _csv_records(text, delimiter):
            named = _used_columns(record, header)
            values = {named[column]: cell for column, cell in row.items() if column in named}
            _add_record(parsed, record, line, values, now, name)
    elif delimiter in (",", "\t") or (delimiter and columns & set(record.csv.values())):
        raise Unusable(
            f"{what} looks like CSV, but its header has no column {record.id_name}. Nothing was "
            f"recorded. Name the column of ids {record.id_name}, or give one id a line."
        )
    else:
        for number, id_ in enumerate(text.splitlines(), 1):
            if id_.strip():
                _add_record(parsed, record, number, {record.id_name: id_.strip()}, now, name)
        with_semicolon = sum(";" in str(event.subject) for event in parsed.events)
        if with_semicolon:
            parsed.remarks.append(
                f"{what}: {with_semicolon} of the ids have a semicolon. If this is CSV, give it a "
                f"header with the column {record.id_name}; `clipmart untrack {service} ID` "
                "removes a wrong id"
            )
    return parsed


def refusal(service: str, id_: str) -> str | None:
    """Why this can't be an id of the service; None if it can."""
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
    for other in SERVICES.values():
        if other.name != service and other.id_pattern and re.fullmatch(other.id_pattern, id_):
            command = f"`clipmart track {other.name}`"
            return f"this looks like a {other.title} {other.thing}; use {command}"
    return None


def _add_record(
    parsed: ParsedIds,
    service: Service,
    line: int,
    record: Mapping[str, str],
    now: datetime,
    name: str,
) -> None:
    id_ = record.get(service.id_name, "").strip()
    why = refusal(service.name, id_)
    body: dict[str, Any] = {service.id_name: id_}
    try:
        body.update(_metadata(service, record))
    except Unusable as error:
        why = why or str(error)
    if why:
        shown = id_ if len(id_) <= 60 and id_.isprintable() and "?" not in id_ else ""
        where = f"{name} line {line}" if name else f"line {line}"
        parsed.refused.append(f"{where}: {shown}{': ' if shown else ''}{why}")
        return
    parsed.events.append(Event(service.name, "import", uuid.uuid4().hex, id_, now, body))


def _metadata(service: Service, record: Mapping[str, str]) -> dict[str, Any]:
    """The documented columns of an import that have a value."""
    body: dict[str, Any] = {}
    for name, value in record.items():
        text = value.strip()
        if not text or name == service.id_name:
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


def _header(service: Service, text: str) -> tuple[list[str], str | None]:
    """The column names of the first line, and their separator; None if it has none.

    The separator is the one that yields the column of ids, else the one that yields most columns.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    splits = {}
    for delimiter in (",", ";", "\t"):
        names = next(csv.reader([first], delimiter=delimiter), [])
        splits[delimiter] = [_column(name) for name in names]
    for delimiter, names in splits.items():
        # `id` alone could be an id; above other lines it is the name of their column.
        alone = len(names) == 1 and len(lines) == 1
        if service.id_name in names or (names.count("id") == 1 and not alone):
            return names, delimiter
    delimiter = max(splits, key=lambda each: len(splits[each]))
    names = splits[delimiter]
    return names, delimiter if len(names) > 1 else None


def _used_columns(service: Service, header: list[str]) -> dict[str, str]:
    """The columns of a CSV that are used → their fields; one column per field."""
    used: dict[str, str] = {}
    for column, name in service.csv.items():
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
            # Cells beyond the header are ignored.
            yield line, {**dict.fromkeys(header, ""), **dict(zip(header, row, strict=False))}
        elif any(cell.strip() for cell in row):
            header = [_column(name) for name in row]


def _column(name: str) -> str:
    """A CSV column's name in one spelling: "Job ID" is job_id."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())
