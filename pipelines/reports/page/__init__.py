"""The reports as one page to look at: a file that requests nothing and runs no script.

Text that came from an API stays text: the template escapes all of it, what could change the writing
direction becomes visible, and only http(s) addresses become links.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from pipelines.files import write_whole
from pipelines.settings import Settings
from pipelines.warehouse.read import open_published
from sources.shared.errors import ClipmartError, FixConfiguration, Unusable


def write_page(settings: Settings, file: Path, *, links: bool = True) -> Path:
    """Write the page of what is published; `file` is replaced whole or not at all.

    Args:
        links: with download links, which may be signed.

    Returns:
        The file's absolute path.

    Raises:
        NotPublished: nothing is published yet.
        Unusable: `file` is not a file.
        FixConfiguration: it cannot be written, or an earlier version published what is there.
    """
    import duckdb

    from .content import content
    from .template import render

    target = file.resolve()  # through a link, so that what it leads to is replaced
    if target.exists() and not target.is_file():
        raise Unusable(f"{file} is not a file. Nothing was written. Name one, as report.html.")
    with open_published(settings) as con:
        try:
            sections = content(con, now=settings.now(), runs=_latest_runs(settings), links=links)
        except duckdb.CatalogException as error:
            raise FixConfiguration(
                "What is published lacks a table that the page shows; an earlier version of "
                f"clipmart published it ({str(error).splitlines()[0]}). No page was written. Run "
                "`clipmart publish`, then the command again."
            ) from error
    page = render(
        sections, file=target.name, made_at=settings.now(), version=metadata.version("clipmart")
    )
    _write(target, page)
    return target


def _latest_runs(settings: Settings) -> list[dict[str, Any]]:
    """Runs as `clipmart.sync_runs` rows, from the run log: the published file ends before its own.

    Empty if there is no run log, as next to a file that was mailed, or none that can be read: the
    page needs no more than `report` does.
    """
    from pipelines.landing.tables import sync_run_rows
    from pipelines.ledger.ledger import Ledger

    with suppress(OSError, sqlite3.Error, ClipmartError):
        if settings.ledger.exists():
            with closing(Ledger(settings.ledger)) as ledger:
                return sync_run_rows(ledger.runs(settings.now(), 20))
    return []


def _write(target: Path, text: str) -> None:
    try:
        write_whole(target, text)
    except OSError as error:
        folder = target.parent
        remedy = (
            "Make room or correct its folder's permissions"
            if folder.is_dir()
            else f"Create the folder {folder} first"
        )
        raise FixConfiguration(
            f"{target} could not be written ({error.strerror or error}). What was there is as it "
            f"was. {remedy}, or name another file, and run the command again."
        ) from error
