"""Which data a notebook reads, and how its tables look."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import duckdb

from pipelines.output import print_line
from pipelines.program import from_here, named
from pipelines.settings import load_settings
from pipelines.warehouse import connect
from pipelines.warehouse.read import NotPublished

if TYPE_CHECKING:
    import pandas as pd
    from pandas.io.formats.style import Styler

_VARIABLE = "CLIPMART_DATA_DIR"
_MOST_ROWS = 60

_before: dict[str, str] = {}
"""By a folder that was chosen: what the search started from."""


def open_data() -> duckdb.DuckDBPyConnection:
    """Open what a notebook reads, and print which data that is.

    The first published file of these: in the folder that CLIPMART_DATA_DIR names, else `data`; in
    `demo` in it. A relative folder is looked for in the working folder, then in those above it.
    `report()` and `connect()` then read the same data. Running it again searches again.

    Raises:
        NotPublished: nothing is published there yet.
    """
    lake = load_settings().lake
    folder = _published_folder() if lake is None else None
    if folder is not None:
        os.environ[_VARIABLE] = str(folder)
    _explain_closed_connections()
    con = connect()
    ((published_at,),) = con.execute("SELECT published_at FROM clipmart.publication").fetchall()
    if folder is None:
        whose = "your own data in the lake"
    elif folder.name == "demo":
        whose = "the demo's made-up data"
    else:
        whose = f"your own data in {from_here(folder)}"
    print_line(f"This page reads {whose}, published on {published_at:%d %B %Y at %H:%M} UTC.")
    return con


def table(rows: pd.DataFrame | duckdb.DuckDBPyRelation, missing: str = "\N{EN DASH}") -> Styler:
    """Rows as a table to read: no row numbers, one decimal, text as text, `missing` for NULL.

    Instants are shown to the minute, a column of dates without a time.
    """
    frame = rows.df() if isinstance(rows, duckdb.DuckDBPyRelation) else rows
    shown = frame.head(_MOST_ROWS)
    words = shown.select_dtypes(exclude="number").columns
    instants = shown.select_dtypes(["datetime", "datetimetz"])
    dates: dict[Any, Any] = {
        name: "{:%Y-%m-%d %H:%M}" if (days != days.dt.normalize()).any() else "{:%Y-%m-%d}"
        for name, days in ((name, column.dropna()) for name, column in instants.items())
    }
    left: Any = [{"selector": "", "props": "text-align: left"}]
    styler = (
        # A uuid of its own, else a random one: the same rows are the same HTML.
        shown.style.set_uuid(f"{crc32(repr([*shown.columns]).encode()):x}")
        .hide()
        .format(dates, precision=1, na_rep=missing, escape="html")
        .format_index(escape="html", axis=1)
        .set_table_styles(dict.fromkeys(words, left))
    )
    if frame.empty:
        styler.set_caption("Nothing to show.")
    elif len(frame) > len(shown):
        styler.set_caption(f"The first {len(shown)} of {len(frame)} rows.")
    return styler


def _published_folder() -> Path:
    """The first folder with a published file."""
    current = os.environ.get(_VARIABLE) or "data"
    name = _before.get(current, current)
    here = Path.cwd()
    for place in (here, *here.parents):
        for folder in (place / name, place / name / "demo"):
            if (folder / "warehouse.duckdb").exists():
                _before[str(folder)] = name
                return folder
    above = "" if Path(name).is_absolute() else f", nor in {name} of any folder above"
    raise NotPublished(
        named(
            f"Nothing is published in {here / name}{above}. Run `clipmart sync` first, or "
            f"`clipmart demo` to look around; or set {_VARIABLE} to the folder that holds "
            "warehouse.duckdb, as an absolute path."
        )
    )


def _explain_closed_connections() -> None:
    """In Jupyter, add to DuckDB's error why a connection is closed.

    DuckDB's class cannot be subclassed, and its functions accept no other.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        shell.set_custom_exc((duckdb.ConnectionException,), _show_with_reason)


def _show_with_reason(
    shell: Any, kind: type[Exception], error: Exception, trace: Any, tb_offset: int | None = None
) -> None:
    """Show an error as Jupyter does, with a note if the connection is closed."""
    if "closed" in str(error):
        error.add_note(
            "connect() closes the connection that it gave before. Use the newest one, or run this "
            "page again from the top."
        )
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
