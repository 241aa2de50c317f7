"""The reports as one HTML page: a file that sends no request and runs no script.

Text from an API stays text: the template escapes all of it, characters that change the writing
direction become visible, and only http(s) addresses become links.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from pipelines.files import write_whole
from pipelines.reports.rows import EVERYTHING, Selection, known_show
from pipelines.settings import Settings
from pipelines.warehouse.read import open_published
from sources.shared.errors import ClipmartError, FixConfiguration, Unusable


def write_page(settings: Settings, file: Path, selection: Selection = EVERYTHING) -> Path:
    """Write the page for the published file; `file` is replaced whole or not at all.

    Args:
        selection: a show or period, if the page is for one, and whether it has download links,
            which may be signed.

    Returns:
        The file's absolute path.

    Raises:
        NotPublished: nothing is published yet.
        Unusable: `file` is not a file, or there is no such show.
        FixConfiguration: it cannot be written, or an earlier version of clipmart published.
    """
    import duckdb

    from .content import content
    from .scope import narrow
    from .template import render

    target = file.resolve()  # of a link, the file it leads to is replaced
    if target.exists() and not target.is_file():
        raise Unusable(
            f"{file} is not a file. Nothing was written. Name a file, such as report.html."
        )
    with open_published(settings) as con:
        try:
            if selection.show is not None:
                selection = replace(selection, show=known_show(con, selection.show))
            if selection.show is not None or selection.since is not None:
                narrow(con, selection)
            runs = _latest_runs(settings)
            sections = content(
                con,
                now=settings.now(),
                runs=runs,
                selection=selection,
                limits=settings.limits,
            )
        except duckdb.CatalogException as error:
            raise FixConfiguration(
                "The published file lacks a table that the page shows; an earlier version of "
                f"clipmart published it ({str(error).splitlines()[0]}). No page was written. Run "
                "`clipmart publish`, then the command again."
            ) from error
    page = render(
        sections, file=target.name, created_at=settings.now(), version=metadata.version("clipmart")
    )
    _write(target, page)
    return target


def _latest_runs(settings: Settings) -> list[dict[str, Any]]:
    """The latest runs, as `clipmart.sync_runs` rows, from the run log.

    The published file lacks the run that published it. Empty if there is no readable run log, as
    next to a file that was mailed: the page needs no more than `report` does.
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
            f"{target} could not be written ({error.strerror or error}). An earlier file there "
            f"is unchanged. {remedy}, or name another file, and run the command again."
        ) from error
