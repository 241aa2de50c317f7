"""`report`, `query`, `docs`, `notebooks`: what is published."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.output import print_line, say
from pipelines.settings import load_settings
from sources.shared.errors import Unusable

from .help import complete_report
from .options import file_argument, format_option
from .terminal import print_rows, terminal_width


@click.command()
@click.argument("name", required=False, shell_complete=complete_report)
@format_option
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write one page.")
@click.option("--no-links", is_flag=True, help="Leave out download links, which may be signed.")
def report(name: str | None, format_: str, html: Path | None, no_links: bool) -> None:
    """Print a report, or the four main ones; or write all as a page.

    A terminal gets what fits; json, csv and markdown give every row and column.

    \b
    clipmart report
    clipmart report top-clips --format csv > clips.csv
    clipmart report --html report.html
    """
    if html is not None:
        _write_page(name, html, links=not no_links)
        return
    from pipelines.reports.render import MAIN, read_report, render
    from pipelines.warehouse.read import open_published

    with open_published(load_settings()) as con:
        names = [name] if name else MAIN
        tables = [read_report(con, each, links=not no_links) for each in names]
    print_rows(render(tables, format_, width=terminal_width()), format_)


def _write_page(name: str | None, file: Path, *, links: bool) -> None:
    given = click.get_current_context().get_parameter_source("format_")
    if name or given is click.core.ParameterSource.COMMANDLINE:
        raise Unusable(
            "--html writes all reports as one page; it takes neither NAME nor --format. Nothing "
            "was written."
        )
    from pipelines.files import refuse_own_file
    from pipelines.reports.page import write_page

    settings = load_settings()
    refuse_own_file(settings, file)
    print_line(write_page(settings, file, links=links))
    if links:
        say(
            "Download links in the page may be signed: anyone who has the page can use them. "
            "`--no-links` leaves them out."
        )


@click.command()
@click.argument("sql")
@format_option
def query(sql: str, format_: str) -> None:
    """Run one SQL statement on the published file, read only.

    \b
    clipmart query "SELECT moment_type, count(*) FROM klipit.clips GROUP BY ALL"
    """
    from pipelines.reports.query import answer

    for text in answer(load_settings(), sql, format_, terminal_width()):
        print_rows(text, format_)


@click.command()
@file_argument
def docs(file: Path | None) -> None:
    """Write the data dictionary: every table and column, on one page.

    Without FILE it is dictionary.html in the data folder. Works before anything is published.

    \b
    clipmart docs
    clipmart docs dictionary.html
    """
    from pipelines.files import refuse_own_file
    from pipelines.reports.dictionary import write

    settings = load_settings()
    file = file or settings.data_dir / "dictionary.html"
    refuse_own_file(settings, file)
    print_line(write(settings, file))


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
def notebooks(folder: Path) -> None:
    """Copy the notebooks into a folder, to run and change them there.

    \b
    clipmart notebooks notebooks
    """
    from pipelines.notebooks.copy import copy_notebooks, how_to_open

    settings = load_settings()
    for path in copy_notebooks(folder):
        print_line(path)
    say(how_to_open(settings, folder))
