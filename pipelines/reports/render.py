"""Reports as text: a table for a terminal, JSON, CSV or Markdown.

Text from an API stays text: it cannot control a terminal, start a formula in a spreadsheet or break
a table.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipelines.output import json_escaped, printable

from .cells import is_number, json_value, plain
from .rows import Table

MAIN = ("shareability", "moment_types", "video_readiness", "credit_usage")
FORMATS = ("table", "json", "csv", "markdown")


def render(
    tables: Sequence[Table],
    format: str,
    *,
    raw: bool = False,
    width: int = 80,
    rows: int | None = None,
) -> str:
    """The tables as text that ends in a line break.

    Args:
        format: one of FORMATS.
        raw: rows of a query. In a csv, text cells stay as they are; otherwise all are quoted, and
            one that a spreadsheet would read as a formula gets a leading apostrophe. A `table` has
            the query's own headers and values.
        width: of the terminal in characters, for `table`.
        rows: the most that a report's `table` shows; None for as many as a person reads.
    """
    if format == "json":
        return as_json(tables)
    if format == "csv":
        return "\n".join(as_csv(table, raw=raw) for table in tables)
    if format == "markdown":
        return "\n".join(as_markdown(table, titled=len(tables) > 1) for table in tables)
    from .terminal import answer_table, report_table

    if raw:
        return "\n".join(answer_table(table, width) for table in tables)
    return "\n".join(report_table(table, width, rows) for table in tables)


def as_json(tables: Sequence[Table]) -> str:
    """One object: table name to a list of rows. NaN and infinity, which JSON lacks, are null."""
    content = {table.name: list(json_rows(table)) for table in tables}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2)
    return json_escaped(text) + "\n"


def json_rows(table: Table) -> Iterator[dict[str, Any]]:
    """Each row as an object of values that JSON has."""
    for row in table.rows:
        yield {
            column: json_value(value, kind)
            for column, kind, value in zip(table.columns, table.types, row, strict=True)
        }


def as_csv(table: Table, *, raw: bool = False, header: bool = True) -> str:
    """A header and a line for each row; NULL is empty, lists and JSON columns are JSON.

    Args:
        raw: as `render`; quotes only what needs quotes.
    """
    lines: list[str] = []
    if header:
        lines.append(_csv_line(table.columns if raw else map(_defused, table.columns)))
    columns = list(zip(*table.rows, strict=True))
    cells = map(_raw_cells if raw else _quoted_cells, columns, table.types)
    rows = zip(*cells, strict=True)
    if raw:
        lines += _csv_lines(rows)
    else:
        lines += [",".join(row) + "\n" for row in rows]
    return "".join(lines)


def _raw_cells(values: Sequence[Any], kind: str) -> Iterable[Any]:
    """A column for `_csv_lines`, which writes text, numbers, days and NULL by itself."""
    if kind in ("VARCHAR", "DATE") or is_number(kind):
        return values
    return [plain(value, kind) for value in values]


def _quoted_cells(values: Sequence[Any], kind: str) -> Iterable[str]:
    """A column as text: what is not a number, a day or an instant in quotation marks."""
    if kind == "VARCHAR":
        return ["" if value is None else _quoted(_defused(value)) for value in values]
    if is_number(kind) or kind.startswith("TIMESTAMP"):
        return [
            "" if value is None else str(value) if type(value) is int else plain(value, kind)
            for value in values
        ]
    return [
        _quoted(_defused(plain(value, kind)))
        if isinstance(value, str | list | tuple | Mapping)
        else plain(value, kind)
        for value in values
    ]


def as_markdown(table: Table, *, titled: bool = False) -> str:
    """A pipe table with numbers aligned to the right."""
    lines = [f"## {table.name}\n"] if titled else []
    numeric = map(is_number, table.types)
    lines.append("| " + " | ".join(map(_markdown_cell, table.columns)) + " |")
    lines.append("|" + "|".join("---:" if right else "---" for right in numeric) + "|")
    for row in table.rows:
        cells = [plain(value, kind) for value, kind in zip(row, table.types, strict=True)]
        lines.append("| " + " | ".join(map(_markdown_cell, cells)) + " |")
    return "\n".join(lines) + "\n"


def _csv_line(cells: Iterable[Any]) -> str:
    (line,) = _csv_lines([cells])
    return line


def _csv_lines(rows: Iterable[Iterable[Any]]) -> list[str]:
    """Lines with quotation marks only where they are needed."""
    lines = _Lines()
    csv.writer(lines, lineterminator="\r\n").writerows(rows)  # so that a single \r is quoted too
    return [line.removesuffix("\r\n") + "\n" for line in lines]


class _Lines(list[str]):
    """What `csv.writer` writes to: it gives one line at a time."""

    write = list.append


def _quoted(cell: str) -> str:
    """Text in quotation marks, so that no program splits it or reads it as a number."""
    return '"' + cell.replace('"', '""') + '"'


def _defused(cell: str) -> str:
    """A cell that does not start a formula in a spreadsheet; full-width signs may start one too."""
    return "'" + cell if cell.startswith(_FORMULA) else cell


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def _markdown_cell(cell: str) -> str:
    return re.sub(r"([\\|`*<>\[\]])", r"\\\1", printable(cell))
