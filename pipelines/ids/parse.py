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

from pipelines.landing.tables import ID_NAME
from pipelines.ledger.ledger import Event
from sources.shared.errors import Unusable
from sources.shared.tables import instant

# A CSV column's name → its field; if two columns name one field, the first listed here counts.
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
    what = name or "The input"
    parsed = ParsedIds()
    header, delimiter = _header(service, text)
    columns = {_COLUMNS[service].get(column, column) for column in header}
    if delimiter and ID_NAME[service] in columns:
        unused = [
            column for column in header if column and column not in _used_columns(service, header)
        ]
        if unused:
            parsed.remarks.append(f"{what}: columns not used: {', '.join(unused)}")
        for line, record in _csv_records(text, delimiter):
            named = _used_columns(service, header)
            values = {named[column]: cell for column, cell in record.items() if column in named}
            _add_record(parsed, service, line, values, now, name)
    elif delimiter in (",", "\t") or (delimiter and columns & set(_COLUMNS[service].values())):
        raise Unusable(
            f"{what} looks like CSV, but its header has no column {ID_NAME[service]}. Nothing was "
            f"recorded. Name the column of ids {ID_NAME[service]}, or give one id a line."
        )
    else:
        for number, id_ in enumerate(text.splitlines(), 1):
            if id_.strip():
                _add_record(parsed, service, number, {ID_NAME[service]: id_.strip()}, now, name)
        with_semicolon = sum(";" in str(event.subject) for event in parsed.events)
        if with_semicolon:
            parsed.remarks.append(
                f"{what}: {with_semicolon} of the ids have a semicolon. If this is CSV, give it a "
                f"header with the column {ID_NAME[service]}; `clipmart untrack {service} ID` "
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
    if service == "klipit" and _is_uuid(id_):
        return "this looks like a Clipus campaign; use `clipmart track clipus`"
    if service == "clipus" and id_.startswith("job_"):
        return "this looks like a Klipit job; use `clipmart track klipit`"
    return None


def _add_record(
    parsed: ParsedIds,
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
        parsed.refused.append(f"{where}: {shown}{': ' if shown else ''}{why}")
        return
    parsed.events.append(Event(service, "import", uuid.uuid4().hex, id_, now, body))


def _metadata(service: str, record: Mapping[str, str]) -> dict[str, Any]:
    """The documented columns of an import that have a value."""
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
        if ID_NAME[service] in names or (names.count("id") == 1 and not alone):
            return names, delimiter
    delimiter = max(splits, key=lambda each: len(splits[each]))
    names = splits[delimiter]
    return names, delimiter if len(names) > 1 else None


def _used_columns(service: str, header: list[str]) -> dict[str, str]:
    """The columns of a CSV that are used → their fields; one column per field."""
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
            # Cells beyond the header are ignored.
            yield line, {**dict.fromkeys(header, ""), **dict(zip(header, row, strict=False))}
        elif any(cell.strip() for cell in row):
            header = [_column(name) for name in row]


def _column(name: str) -> str:
    """A CSV column's name in one spelling: "Job ID" is job_id."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _is_uuid(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", text))
