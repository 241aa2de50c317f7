"""What each tool answers, as text: JSON for rows, lines for the status, Markdown for resources.

Every call opens what is published then. Rows are cut at a number and at a size, with a note, since
what an agent reads fills its context. Characters that hide text are escaped, as in all our JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

from pipelines.health.status import status as current_status
from pipelines.health.status import status_lines
from pipelines.output import json_escaped, printable
from pipelines.reports.dictionary.models import Column, Relation, relations
from pipelines.reports.query import TooMuch, limited, without_lake_secrets
from pipelines.reports.render import json_rows
from pipelines.reports.rows import LINKS, Selection, Table, batches, select_report
from pipelines.settings import Settings
from pipelines.warehouse.read import query as run
from sources.shared.errors import Unusable

from .decisions import decisions

ROWS = 100
"""Rows of an answer, unless another limit is given."""
MOST_ROWS = 1_000
BYTES = 64 * 1024
"""Most bytes of rows in an answer: about 20,000 tokens."""
SECONDS = 30.0
"""How long a statement may run, unless CLIPMART_QUERY_SECONDS is less. Clients wait for 60 s."""
_BATCH = 100  # rows fetched at a time


def list_reports(settings: Settings) -> str:
    """Every report: what a row is, its key, its columns with their units."""
    return _json(
        [
            {
                "name": report.table,
                "description": report.description,
                "key": report.key,
                "columns": [_with_unit(column) for column in report.columns],
            }
            for report in relations(settings).values()
            if report.schema == "reports"
        ]
    )


def report(
    settings: Settings,
    *,
    name: str,
    show: str | None = None,
    since: str | None = None,
    sort: str | None = None,
    limit: int = ROWS,
    links: bool = False,
) -> str:
    """Rows of a report, as `clipmart report` reads them.

    Raises:
        Unusable: as `select_report`; or `since` is not a date, or the limit is out of range.
        TooMuch: reading it took too long.
        NotPublished, TryAgainLater, FixConfiguration: as `open_published`.
    """
    try:
        day = None if since is None else date.fromisoformat(since)
    except ValueError as error:
        raise Unusable(f"'{since}' is not a date such as 2026-11-01.") from error
    selection = Selection(show, day, sort, _in_range(limit) + 1, links=links)
    settings = _limited(settings)
    with limited(settings, settings.query_memory_bytes) as (con, expired):
        name, _ = select_report(con, name, selection)
        rows = _rows(batches(con, _BATCH), expired.is_set)
        return without_lake_secrets(settings, _answer(name, rows, limit))


def query(settings: Settings, *, sql: str, limit: int = ROWS, links: bool = False) -> str:
    """The rows of one statement, as `clipmart query` reads them.

    Raises:
        Unusable: as `warehouse.query`, or the limit is out of range.
        TooMuch: the statement took too much time or memory.
        NotPublished, TryAgainLater, FixConfiguration: as `open_published`.
    """
    _in_range(limit)
    settings = _limited(settings)
    with limited(settings, settings.query_memory_bytes) as (con, expired):
        rows = _rows(batches(run(con, sql, limit + 1), _BATCH), expired.is_set)
        left_out: set[str] = set()
        if not links:
            rows = (_without_links(row, left_out) for row in rows)
        return without_lake_secrets(settings, _answer("rows", rows, limit, left_out))


def describe(settings: Settings, *, table: str) -> str:
    """What a table's rows and columns are.

    Raises:
        Unusable: there is no such table; the message lists those there are.
        TryAgainLater, FixConfiguration: the published file is there and cannot be opened.
    """
    relation = _relation(settings, table)
    return _json(
        {
            "table": relation.name,
            "description": relation.description,
            "key": relation.key,
            "built_from": relation.reads,
            "columns": [
                {
                    "name": column.name,
                    "type": column.type,
                    **({"unit": column.unit} if column.unit else {}),
                    "meaning": column.note,
                }
                for column in relation.columns
            ],
        }
    )


def status(settings: Settings) -> str:
    """The lines that `clipmart status` prints."""
    return "\n".join(printable(line) for line in status_lines(current_status(settings)))


def definitions(settings: Settings, *, metric: str) -> str:
    """What columns of that name mean, and the decisions that speak of it, with their reasons.

    Raises:
        Unusable: nothing is defined under that name.
    """
    words = re.findall(r"\w+", metric.casefold().replace("_", " "))
    reports = [r for r in relations(settings).values() if r.schema == "reports"]
    columns = [
        {"column": f"{r.name}.{c.name}", **({"unit": c.unit} if c.unit else {}), "meaning": c.note}
        for r in reports
        for c in r.columns
        if words and all(word in c.name for word in words)
    ]
    reasons = [text for text in decisions() if words and _speaks_of(text, words)]
    if not columns and not reasons:
        names = sorted({column.name for report in reports for column in report.columns})
        raise Unusable(f"Nothing is defined under '{metric}'. Columns of reports: {_list(names)}.")
    return _json({"columns": columns, "decisions": reasons})


def report_page(settings: Settings, *, name: str) -> str:
    """A report's description as Markdown: what a row is, and every column.

    Raises:
        Unusable: as `describe`.
    """
    return markdown(_relation(settings, f"reports.{name}"))


def dictionary(settings: Settings) -> str:
    """Every table and column as Markdown."""
    return "\n".join(markdown(relation) for relation in relations(settings).values())


def markdown(relation: Relation) -> str:
    """A table's description: what a row is, its key, and a row for each column."""
    lines = [f"## {relation.name}", "", relation.description, ""]
    if relation.key:
        lines += [f"Key: {', '.join(relation.key)}.", ""]
    lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
    lines += [
        f"| {' | '.join(map(_cell, (c.name, c.type, c.unit, c.note)))} |" for c in relation.columns
    ]
    return "\n".join(lines) + "\n"


def _limited(settings: Settings) -> Settings:
    seconds = min(settings.query_seconds or SECONDS, SECONDS)
    return replace(settings, query_seconds=seconds)


def _in_range(limit: int) -> int:
    if not 1 <= limit <= MOST_ROWS:
        raise Unusable(f"limit can be 1 to {MOST_ROWS:,}. For more, aggregate in SQL.")
    return limit


def _rows(parts: Iterator[Table], is_over: Any) -> Iterator[dict[str, Any]]:
    for part in parts:
        for row in json_rows(part):
            if is_over():
                raise TooMuch("The time for one statement is up.")
            yield row


def _without_links(value: Any, left_out: set[str]) -> Any:
    """The value without what may be signed, by name, at any depth."""
    if isinstance(value, list):
        return [_without_links(item, left_out) for item in value]
    if not isinstance(value, dict):
        return value
    left_out |= {key for key in value if key.casefold() in LINKS}
    return {
        key: _without_links(item, left_out)
        for key, item in value.items()
        if key.casefold() not in LINKS
    }


def _answer(
    name: str, rows: Iterable[dict[str, Any]], limit: int, left_out: Iterable[str] = ()
) -> str:
    """The rows that fit, and in `note` what was left out."""
    fitting: list[str] = []
    notes: list[str] = []
    size = 0
    for row in rows:
        text = json_escaped(json.dumps(row, ensure_ascii=False, allow_nan=False))
        size += len(text.encode())
        if len(fitting) == limit:
            notes.append(f"Cut after {limit:,} rows: there are more (limit: up to {MOST_ROWS:,}).")
            break
        if size > BYTES:
            notes.append(
                f"Cut after {len(fitting):,} rows, at {BYTES // 1024} KiB: there are more. "
                "Select fewer columns or rows, or aggregate."
            )
            break
        fitting.append(text)
    if columns := sorted(left_out):
        notes.append(f"Left out, since links may be signed: {', '.join(columns)} (links: true).")
    listed = ",\n".join(fitting)
    answer = f'{{"{name}": [\n{listed}\n]' if fitting else f'{{"{name}": []'
    return f"{answer}, {_json({'note': ' '.join(notes)})[1:]}" if notes else f"{answer}}}"


def _relation(settings: Settings, table: str) -> Relation:
    known = relations(settings)
    wanted = table.strip().lower().replace("-", "_")
    for name in (wanted, f"reports.{wanted}"):
        if name in known:
            return known[name]
    raise Unusable(f"There is no table '{table}'. There are: {_list(known)}.")


def _speaks_of(text: str, words: Iterable[str]) -> bool:
    plain = text.casefold().replace("_", " ")
    return all(re.search(rf"\b{re.escape(word)}", plain) for word in words)


def _with_unit(column: Column) -> str:
    return f"{column.name} ({column.unit})" if column.unit else column.name


def _list(names: Iterable[str]) -> str:
    return printable(", ".join(names))


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")


def _json(value: Any) -> str:
    return json_escaped(json.dumps(value, ensure_ascii=False, allow_nan=False))
