"""Tables for a terminal: a report as a person reads it, an answer to a query as the query gave it.

How a column is written and how soon it is shown follow from its name and type, so that a new report
needs nothing here.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

import click
from rich.cells import cell_len, chop_cells, set_cell_size

from pipelines.output import printable

from .cells import is_beyond, is_number, plain
from .rows import LINKS, Table, date_column

ROWS = 40
"""Rows that are shown if no number is given."""
_NARROW, _EASY = 16, 20  # columns of the terminal for a long text, at least and if there is space
_GAP = 2
_NOTHING = "–"  # noqa: RUF001 - a dash, not a minus

# What a row is about: the first of these that has values.
_LABELS = ("hook_suggestion", "episode", "title", "best_hook")
# What else to show if there is space: these first, then the others in the report's order.
_NEXT = (
    *("stuck", "why", "value", "best_score", "clips", "clips_80_plus", "lift"),
    *("turnaround_seconds", "videos", "ready", "failed", "published", "hours_to_ready"),
    *("start_seconds", "duration_seconds"),
    *("balance_close", "credits_used", "days_left", "credits_added"),
)
# What a report lists, by a column that it has.
_LISTED = {
    "error": "failures",
    "clip_id": "clips",
    "job_id": "episodes",
    "campaign_id": "campaigns",
    "campaigns": "campaigns",
    "platform": "videos",
    "moment_type": "clips",
    "guest_name": "guests",
    "show_name": "episodes",
    "balance_close": "episodes or balances",
}


def report_table(table: Table, width: int, rows: int | None = None) -> str:
    """A report in at most `width` columns: what a person reads first, then what else fits.

    Numbers and days are shown whole or not at all, ids whole or by a beginning that no other has;
    only text is cut. A column without any value is left out.

    Args:
        rows: the most to show; None for as many as a person reads.
    """
    title = [table.name.replace("_", " "), *([table.filtered] if table.rows else [])]
    lines = [_painted(line, bold=True) for line in _wrapped(printable(" ".join(title)), width)]
    if not table.rows:
        return "\n".join([*lines, *_wrapped(_no_rows(table), width)]) + "\n"
    shown = table.rows[: ROWS if rows is None else rows]
    columns = _columns(table, shown)
    filled = [column for column in columns if column.filled] or columns[:1]
    sizes = _sizes(filled, width)
    lines += _grid([c for c in sorted(filled, key=_place) if c.name in sizes], sizes)
    total = len(table.rows) if table.total is None else table.total
    left_out = [f"{len(shown)} of {total:,} rows"] * (len(shown) < total)
    left_out += [f"{len(sizes)} of {len(filled)} columns"] * (len(sizes) < len(filled))
    notes = [", ".join(left_out), "--format json gives all"] if left_out else []
    if empty := [column.header for column in columns if column not in filled]:
        notes.insert(0, f"no values: {', '.join(empty)}")
    note = f"({'; '.join(notes)})" if notes else ""
    return "\n".join([*lines, *_wrapped(note, width)]) + "\n"


def answer_table(table: Table, width: int) -> str:
    """The rows of a query with its headers and values; if too wide, one column a line."""
    headers = [printable(name) for name in table.columns]
    rows = [
        [_as_given(value, kind) for value, kind in zip(row, table.types, strict=True)]
        for row in table.rows[:ROWS]
    ]
    sizes = [max(map(cell_len, column)) for column in zip(headers, *rows, strict=True)]
    if sum(sizes) + _GAP * (len(sizes) - 1) <= width:
        right = [is_number(kind) for kind in table.types]
        lines = [_painted(_line(headers, sizes, right), bold=True), _rule(sizes)]
        lines += [_line(row, sizes, right) for row in rows]
    elif rows:
        lines = _one_column_a_line(headers, rows, width)
    else:
        lines = _wrapped(", ".join(headers), width)
    note = "" if rows else "(no rows)"
    if len(rows) < len(table.rows):
        note = f"({len(rows)} of {len(table.rows):,} rows; --format csv gives all)"
    return "\n".join([*lines, *_wrapped(note, width)]) + "\n"


@dataclass(frozen=True, eq=False)
class _Column:
    """One column of a report as text."""

    name: str
    kind: str
    position: int
    group: int | None
    """Its place among the columns that a person reads first; None for the others."""
    values: tuple[Any, ...]
    all_values: tuple[Any, ...] | None
    """Those of rows that are not shown, too; None if not all were read."""
    filled: bool
    """Whether any row has a value in it."""

    @property
    def is_id(self) -> bool:
        return _is_id(self.name)

    @property
    def may_be_cut(self) -> bool:
        """A number, a day or an id would be wrong then."""
        return not self.is_id and self.kind.startswith(("VARCHAR", "JSON"))

    @cached_property
    def header(self) -> str:
        words = re.sub(r"_(name|at|seconds|suggestion|id)$", "", self.name)
        return printable(words.replace("_80_plus", "_80+").replace("_", " "))

    @cached_property
    def texts(self) -> list[str]:
        write = _writer(self.name, self.kind, self.values)
        return [_NOTHING if v is None or is_beyond(v) else write(v) for v in self.values]

    @cached_property
    def short_texts(self) -> list[str]:
        """The same, and ids by their first characters, as many as tell them apart."""
        if not self.is_id or self.all_values is None:
            return self.texts
        ids = sorted({printable(str(value)) for value in self.all_values if value is not None})
        alike = (os.path.commonprefix(pair) for pair in pairwise(ids))  # noqa: RUF071 - no paths
        most = max([8, *(len(beginning) + 1 for beginning in alike)])
        return [text if len(text) <= most + 1 else f"{text[:most]}…" for text in self.texts]

    @cached_property
    def whole(self) -> int:
        """The width of its longest text, or of its header's longest word."""
        return max(map(cell_len, [*self.header.split(), *self.texts]))

    def least(self, enough: int) -> int:
        """The width that it needs if so much of a text is enough."""
        if self.may_be_cut:
            return min(self.whole, enough)
        return max(map(cell_len, [*self.header.split(), *self.short_texts]))


def _columns(table: Table, shown: Sequence[tuple[Any, ...]]) -> list[_Column]:
    by_column = list(zip(*table.rows, strict=True))
    has_values = {
        name: name in table.filled
        or any(value is not None and not is_beyond(value) for value in values)
        for name, values in zip(table.columns, by_column, strict=True)
    }
    first = table.columns[0]
    label = next((name for name in _LABELS if has_values.get(name)), None)
    score = next((name for name in ("score", "mean_score") if has_values.get(name)), None)
    date = date_column(table.columns, table.types)
    read = [
        "rank",
        *(name for name, kind in zip(table.columns, table.types, strict=True) if kind == "DATE"),
        *([first] if table.types[0] == "VARCHAR" and not _is_id(first) else []),
        *(name for name in (label, "show_name", "name", "guest_name", date, score) if name),
        "error",
    ]
    return [
        _Column(
            name,
            table.types[at],
            at,
            read.index(name) if name in read else None,
            values[: len(shown)],
            values if table.total is None else None,
            has_values[name],
        )
        for at, (name, values) in enumerate(zip(table.columns, by_column, strict=True))
    ]


def _place(column: _Column) -> tuple[int, int]:
    """Where a column is shown: what a person reads, the rest, ids, links."""
    if column.group is not None:
        return 0, column.group
    return (3 if column.name in LINKS else 2 if column.is_id else 1), column.position


def _importance(column: _Column) -> tuple[int, int]:
    """How soon a column is given space; last are links, and instants that others imply."""
    place, position = _place(column)
    if place == 1 and column.name in _NEXT:
        return 1, _NEXT.index(column.name)
    if place == 2 and position == 0:
        return 2, 0  # the id that tells rows apart
    if place == 1 and (column.kind.startswith("TIMESTAMP") or column.name == "end_seconds"):
        return 5, position
    return (0, 3, 4, 6)[place], position


def _sizes(columns: Sequence[_Column], width: int) -> dict[str, int]:
    """The columns that fit, by name, with their widths."""
    chosen: dict[_Column, int] = {}
    for column in sorted(columns, key=_importance):
        enough = _EASY if column.group is None else _NARROW
        used = sum(c.least(enough) if c.may_be_cut else size for c, size in chosen.items())
        used += _GAP * len(chosen)
        if not chosen or used + column.least(enough) <= width:
            chosen[column] = min(column.least(_NARROW), width)
    space = width - sum(chosen.values()) - _GAP * (len(chosen) - 1)
    while growing := [c for c, size in chosen.items() if c.may_be_cut and size < c.whole]:
        if space <= 0:
            break
        chosen[min(growing, key=chosen.__getitem__)] += 1
        space -= 1
    for column, size in chosen.items():
        if column.is_id and column.whole - size <= space:
            chosen[column] = column.whole
            space -= column.whole - size
    return {column.name: size for column, size in chosen.items()}


def _grid(columns: Sequence[_Column], by_name: Mapping[str, int]) -> list[str]:
    sizes = [by_name[column.name] for column in columns]
    right = [is_number(column.kind) for column in columns]
    headers = [
        textwrap.wrap(column.header, size, break_on_hyphens=False)
        for column, size in zip(columns, sizes, strict=True)
    ]
    height = max(map(len, headers))
    headers = [[""] * (height - len(header)) + header for header in headers]
    lines = [_painted(_line(line, sizes, right), bold=True) for line in zip(*headers, strict=True)]
    cells = [
        column.texts if size >= column.whole or column.may_be_cut else column.short_texts
        for column, size in zip(columns, sizes, strict=True)
    ]
    return [*lines, _rule(sizes), *(_line(row, sizes, right) for row in zip(*cells, strict=True))]


def _line(cells: Sequence[str], sizes: Sequence[int], right: Sequence[bool]) -> str:
    parts = []
    for cell, size, to_the_right in zip(cells, sizes, right, strict=True):
        if cell_len(cell) > size:
            parts.append(set_cell_size(cell, size - 1) + "…")
        elif to_the_right:
            parts.append(" " * (size - cell_len(cell)) + cell)
        else:
            parts.append(set_cell_size(cell, size))
    return (" " * _GAP).join(parts).rstrip()


def _rule(sizes: Sequence[int]) -> str:
    return _painted("─" * (sum(sizes) + _GAP * (len(sizes) - 1)), dim=True)


def _one_column_a_line(
    headers: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> list[str]:
    lines = []
    indent = min(max(map(cell_len, headers)) + _GAP, max(width // 2, 1))
    for number, row in enumerate(rows, 1):
        lines.append(_painted(f"─ {number} ".ljust(width, "─"), dim=True))
        for header, value in zip(headers, row, strict=True):
            parts = _wrapped(value, width - indent) or [""]
            if cell_len(header) + _GAP > indent:
                lines += _wrapped(header, width)
                lines.append(" " * indent + parts[0])
            else:
                lines.append(set_cell_size(header, indent) + parts[0])
            lines += [" " * indent + part for part in parts[1:]]
    return [line.rstrip() for line in lines]


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, broken between words if that is possible."""
    lines = textwrap.wrap(text, max(width, 1), break_on_hyphens=False)
    if any(cell_len(line) > width for line in lines):
        return chop_cells(text, max(width, 2))
    return lines


def _no_rows(table: Table) -> str:
    listed = next((what for name, what in _LISTED.items() if name in table.columns), "rows")
    return printable(f"no {listed} {table.filtered or 'yet'}")


def _writer(name: str, kind: str, values: Sequence[Any]) -> Callable[[Any], str]:
    """How the values of a column are written, by its unit."""
    if kind == "BOOLEAN":
        return lambda value: "yes" if value else "no"
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return _month if name == "month" else _day
    if not is_number(kind):
        return lambda value: printable(
            ", ".join(map(str, value)) if isinstance(value, list) else plain(value, kind)
        )
    number = _number_writer([v for v in values if v is not None and not is_beyond(v)])
    if re.search(r"(^|_)(share|readiness|position)(_|$)", name):
        return lambda value: _percent(value) if abs(value) <= 10 else number(value)
    if name.endswith("_seconds"):
        return lambda value: _clock(value) if 0 <= value < 1e7 else number(value)
    if re.search(r"(^|_)(id|year|rank)$", name):
        return str
    return number


def _number_writer(values: Sequence[Any]) -> Callable[[Any], str]:
    """Whole numbers if all are; else two decimals if all are below 10, or one."""
    digits = 2 if max(map(abs, values), default=0) < 10 else 1
    if all(value == int(value) for value in values):
        digits = 0

    def write(value: Any) -> str:
        if abs(value) >= 1e15:
            return f"{float(value):.3g}"
        if 0 < abs(value) < 0.05:
            return f"{float(value):.2g}"  # 0.0 would mean that there is nothing
        return f"{value or 0:,.{digits}f}"  # not -0.0

    return write


def _percent(share: float) -> str:
    """12 %; only 1 is 100 %, and only 0 is 0 %."""
    whole = round(100 * share)
    if whole == 0 and share > 0:
        return "<1 %"
    if whole == 100 and share < 1:
        return ">99 %"
    return f"{whole} %"


def _clock(seconds: float) -> str:
    """39:48, or 1:23:45."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _day(value: date) -> str:
    """22 Nov 2026, in UTC."""
    at = value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
    return f"{at.day:2} {at:%b %Y}"


def _month(value: date) -> str:
    """Nov 2026."""
    return f"{value:%b %Y}"


def _as_given(value: Any, kind: str) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, float) else printable(plain(value, kind))


def _is_id(name: str) -> bool:
    return re.search(r"(^|_)id$", name) is not None


def _painted(text: str, **style: bool) -> str:
    """Bold or dim on a terminal that can, and whose person did not set NO_COLOR."""
    plain_terminal = os.environ.get("TERM") in ("dumb", "unknown")
    if os.environ.get("NO_COLOR") or plain_terminal or not sys.stdout.isatty():
        return text
    return click.style(text, **style)
