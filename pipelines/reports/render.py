"""Reports as text: a table for a terminal, JSON, CSV or Markdown.

Text from an API stays text: it cannot control a terminal, start a formula in a spreadsheet or break
a table.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pipelines.output import json_escaped, printable

from .cells import is_beyond, json_value, plain
from .rows import Table

MAIN = ("shareability", "moment_types", "video_readiness", "credit_usage")
FORMATS = ("table", "json", "csv", "markdown")

# The columns to show first if a terminal is too narrow for all, the most important ones first.
_MAIN_COLUMNS = {
    "shareability": "show_name clips mean_score best_score clips_80_plus job_id best_hook",
    "moment_types": "moment_type clips share_of_clips mean_score p90_score best_score lift jobs",
    "video_readiness": "title status videos ready failed published stuck hours_to_ready",
    "credit_usage": "day balance_close credits_used days_left burn_7d jobs_submitted clips "
    "credits_per_clip credits_added",
    "top_clips": "rank score show_name moment_type hook_suggestion duration_seconds job_id",
    "shareability_weekly": "week show_name jobs clips mean_score best_score clips_80_plus",
    "job_turnaround": "job_id status turnaround_seconds stuck created_at show_name",
}
_NARROW, _EASY = 16, 32  # characters for a long text, at least and if there is space
_TERMINAL_ROWS = 40


def render(tables: Sequence[Table], format: str, *, raw: bool = False, width: int = 80) -> str:
    """The tables as text that ends in a line break.

    Args:
        format: one of FORMATS.
        raw: leave text cells of a csv as they are. Otherwise all are quoted, and one that a
            spreadsheet would read as a formula gets a leading apostrophe.
        width: of the terminal in characters, for `table`.
    """
    if format == "json":
        return as_json(tables)
    if format == "csv":
        return "\n".join(as_csv(table, raw=raw) for table in tables)
    if format == "markdown":
        return "\n".join(as_markdown(table, titled=len(tables) > 1) for table in tables)
    return "\n".join(as_terminal_table(table, width=width) for table in tables)


def as_json(tables: Sequence[Table]) -> str:
    """One object: table name to a list of rows. NaN and infinity, which JSON lacks, are null."""
    content = {
        table.name: [
            {
                column: json_value(value, kind)
                for column, kind, value in zip(table.columns, table.types, row, strict=True)
            }
            for row in table.rows
        ]
        for table in tables
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2)
    return json_escaped(text) + "\n"


def as_csv(table: Table, *, raw: bool = False, header: bool = True) -> str:
    """A header and a line for each row; NULL is empty, lists and JSON columns are JSON.

    Args:
        raw: as `render`; quotes only what needs quotes.
    """
    lines = [_csv_line(table.columns if raw else map(_defused, table.columns))] if header else []
    for row in table.rows:
        if raw:
            cells = [
                str(value) if isinstance(value, float) else plain(value, kind)
                for value, kind in zip(row, table.types, strict=True)
            ]
            lines.append(_csv_line(cells))
        else:
            lines.append(
                ",".join(
                    _quoted(_defused(plain(value, kind)))
                    if isinstance(value, str | list | tuple | Mapping)
                    else plain(value, kind)
                    for value, kind in zip(row, table.types, strict=True)
                )
                + "\n"
            )
    return "".join(lines)


def as_markdown(table: Table, *, titled: bool = False) -> str:
    """A pipe table with numbers aligned to the right."""
    lines = [f"## {table.name}\n"] if titled else []
    numeric = _numeric(table)
    lines.append("| " + " | ".join(map(_markdown_cell, table.columns)) + " |")
    lines.append("|" + "|".join("---:" if right else "---" for right in numeric) + "|")
    for row in table.rows:
        cells = [plain(value, kind) for value, kind in zip(row, table.types, strict=True)]
        lines.append("| " + " | ".join(map(_markdown_cell, cells)) + " |")
    return "\n".join(lines) + "\n"


def as_terminal_table(table: Table, *, width: int = 80) -> str:
    """A table that fits a terminal: rounded numbers, the first rows, the main columns.

    Numbers, instants and ids are shown whole or not at all; only text is cut.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    rows = [
        [_short(value, kind) for value, kind in zip(row, table.types, strict=True)]
        for row in table.rows[:_TERMINAL_ROWS]
    ]
    shown = _fitting_columns(table, rows, width)
    grid = RichTable(
        title=table.name.replace("_", " "),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    numeric = _numeric(table)
    for at, least in shown.items():
        grid.add_column(
            Text(printable(table.columns[at]).replace("_", "\n")),
            justify="right" if numeric[at] else "left",
            no_wrap=not _may_be_cut(table, at),
            min_width=least,
        )
    for row in rows:
        grid.add_row(*(Text(row[at], no_wrap=True, overflow="ellipsis") for at in shown))
    out = io.StringIO()
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    console = Console(
        file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False
    )
    console.print(grid)
    notes = []
    if len(table.rows) > _TERMINAL_ROWS:
        notes.append(f"{_TERMINAL_ROWS} of {len(table.rows)} rows")
    if not table.rows:
        notes.append("no rows")
    if len(shown) < len(table.columns):
        notes.append(f"{len(shown)} of {len(table.columns)} columns")
    if notes:
        console.print(Text(f"({', '.join(notes)}; --format json gives all)"))
    return out.getvalue()


def _fitting_columns(table: Table, rows: list[list[str]], width: int) -> dict[int, int]:
    """The columns to show, in order, and the least width of each.

    The main columns come first, even if their text has to be cut; then other columns that fit next
    to them without cutting much.
    """
    from rich.cells import cell_len

    main = [
        table.columns.index(column)
        for column in _MAIN_COLUMNS.get(table.name, " ".join(table.columns)).split()
        if column in table.columns
    ]
    natural = [
        max(map(cell_len, [*printable(column).split("_"), *(row[at] for row in rows)]))
        for at, column in enumerate(table.columns)
    ]

    def least(at: int, enough: int) -> int:
        return min(natural[at], enough) if _may_be_cut(table, at) else natural[at]

    chosen: dict[int, int] = {}
    for at in dict.fromkeys([*main, *range(len(table.columns))]):
        enough = _NARROW if at in main else _EASY
        wanted = {other: least(other, enough) for other in [*chosen, at]}
        if not chosen or sum(wanted.values()) + 2 * len(wanted) <= width:
            chosen[at] = min(least(at, _NARROW), max(width - 2, 1))
    return dict(sorted(chosen.items()))


def _may_be_cut(table: Table, at: int) -> bool:
    """Whether a column may be cut; a number, an instant or an id would then be wrong."""
    return table.types[at].startswith(("VARCHAR", "JSON")) and not re.search(
        r"(^|_)id$", table.columns[at]
    )


def _short(value: Any, kind: str) -> str:
    """One cell of a terminal's table."""
    if value is None or is_beyond(value):
        return "–"  # noqa: RUF001 - a dash, not a minus
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | Decimal):
        if 0 < abs(float(value)) < 0.05:
            return f"{value:.2g}"  # 0.00 would mean that there is nothing
        if value == 0:
            return "0.00"  # not -0.00
        return f"{value:,.2f}" if -10 < value < 10 else f"{value:,.1f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        instant = value.astimezone(UTC) if value.tzinfo else value
        return instant.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, list | tuple):
        return printable(", ".join(map(str, value)))
    return printable(plain(value, kind))


def _numeric(table: Table) -> list[bool]:
    number = r"U?(TINY|SMALL|BIG|HUGE)?INT|INTEGER|UINTEGER|DOUBLE|FLOAT|DECIMAL\(.*\)|BIGNUM"
    return [re.fullmatch(number, kind) is not None for kind in table.types]


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # so that a single \r is quoted too
    return line.getvalue().removesuffix("\r\n") + "\n"


def _quoted(cell: str) -> str:
    """Text in quotation marks, so that no program splits it or reads it as a number."""
    return '"' + cell.replace('"', '""') + '"'


def _defused(cell: str) -> str:
    """A cell that does not start a formula in a spreadsheet; full-width signs may start one too."""
    formula = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
    return "'" + cell if cell.startswith(formula) else cell


def _markdown_cell(cell: str) -> str:
    return re.sub(r"([\\|`*<>\[\]])", r"\\\1", printable(cell))
