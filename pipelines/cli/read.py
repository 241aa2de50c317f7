"""`report`, `query`, `docs`, `models`, `notebooks`: what is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.files import refuse_own_file, replacing, write_whole
from pipelines.output import print_line, print_lines, say
from pipelines.settings import load_settings
from sources.shared.errors import Unusable

from .help import complete_report
from .options import file_argument, format_option, selection_options
from .terminal import print_rows, terminal_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines.reports.rows import Selection, Table
    from pipelines.warehouse.dialects import Dialect

TABLE_ROWS = 10_000
"""Rows that are read to show some of them as a table; the others are counted."""


@click.command()
@click.argument("name", required=False, shell_complete=complete_report)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv", "markdown", "parquet"]),
    metavar="NAME",
    default="table",
    show_default=True,
    help="table, json, csv, markdown or parquet.",
)
@selection_options
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write there."
)
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write one page.")
def report(
    name: str | None,
    format_: str,
    selection: Selection,
    output: Path | None,
    html: Path | None,
) -> None:
    """Print a report, or the four main ones; or write all as a page.

    A terminal gets what fits; the other formats give every row and column.

    \b
    clipmart report
    clipmart report top-clips --show "My show" --since 2026-11-01 --limit 10
    clipmart report top-clips --format csv > clips.csv
    clipmart report --html report.html
    """
    if html is not None:
        _write_page(html, selection)
        return
    from pipelines.reports.render import MAIN, render
    from pipelines.reports.rows import read_report, stream_report, write_parquet
    from pipelines.warehouse.read import open_published, report_names

    settings = load_settings()
    if output is not None:
        refuse_own_file(settings, output)
    elif format_ == "parquet":
        raise Unusable("--format parquet needs --output FILE, such as --output clips.parquet.")
    with open_published(settings) as con:
        if name is None and format_ in ("csv", "parquet"):
            raise Unusable(
                f"--format {format_} gives one report; name it. "
                f"There are: {', '.join(report_names(con))}."
            )
        if format_ == "parquet" and name is not None and output is not None:
            write_parquet(con, name, selection, output)
            print_line(output)
            return
        if format_ == "csv" and name is not None:
            _write_csv(stream_report(con, name, selection), output)
            return
        most = TABLE_ROWS if format_ == "table" else None
        tables = [read_report(con, each, selection, most) for each in ([name] if name else MAIN)]
    text = render(tables, format_, width=terminal_width(), rows=selection.limit)
    if output is None:
        print_rows(text, format_)
    else:
        write_whole(output, text)
        print_line(output)


def _write_csv(parts: Iterator[Table], output: Path | None) -> None:
    """Write a report as csv, to stdout as its rows come."""
    from pipelines.reports.render import as_csv

    texts = (as_csv(part, header=number == 0) for number, part in enumerate(parts))
    if output is None:
        for text in texts:
            print_rows(text, "csv")
        return
    with replacing(output) as file:
        file.writelines(text.encode() for text in texts)
    print_line(output)


def _write_page(file: Path, selection: Selection) -> None:
    context = click.get_current_context()
    given = click.core.ParameterSource.COMMANDLINE
    others = {name for name in context.params if context.get_parameter_source(name) is given}
    if others - {"html", "show", "since", "no_links"}:
        raise Unusable(
            "--html writes all reports as one page; it takes neither NAME nor --format, nor "
            "another option but --show, --since and --no-links. Nothing was written."
        )
    from pipelines.reports.page import write_page

    settings = load_settings()
    refuse_own_file(settings, file)
    print_line(write_page(settings, file, selection))
    if selection.links:
        say(
            "Download links in the page may be signed: anyone who has the page can use them. "
            "`--no-links` leaves them out."
        )


@click.command()
@click.argument("sql", required=False)
@click.option(
    "--file",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Read the SQL there; - is stdin.",
)
@format_option
def query(sql: str | None, file: str | None, format_: str) -> None:
    """Run one SQL statement on the published file, read only.

    Headers and values are the query's own. If rows are too wide, each column has its own line.

    \b
    clipmart query "SELECT moment_type, count(*) FROM klipit.clips GROUP BY ALL"
    clipmart query --file question.sql --format csv > answer.csv
    echo "FROM reports.video_quota" | clipmart query -
    """
    if (sql is None) == (file is None):
        raise Unusable(
            "Give one statement: as an argument, with --file FILE, or on stdin with -. Nothing was "
            "run."
        )
    from pipelines.reports.query import answer

    place = "-" if sql == "-" else file
    statement = str(sql) if place is None else _statement_in(place)
    for text in answer(load_settings(), statement, format_, terminal_width()):
        print_rows(text, format_)


def _statement_in(place: str) -> str:
    """The text of a file, or of stdin if it is -."""
    try:
        with click.open_file(place, encoding="utf-8") as file:
            return str(file.read()).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise Unusable(f"{place} is not UTF-8 text. Nothing was run.") from error
    except OSError as error:
        raise Unusable(f"{place} cannot be read ({error.strerror}). Nothing was run.") from error


@click.command()
@file_argument
def docs(file: Path | None) -> None:
    """Write the data dictionary: every table and column, on one page.

    Without FILE it is dictionary.html in the data folder. Works before anything is published.

    \b
    clipmart docs
    clipmart docs dictionary.html
    """
    from pipelines.reports.dictionary import write

    settings = load_settings()
    file = file or settings.data_dir / "dictionary.html"
    refuse_own_file(settings, file)
    print_line(write(settings, file))


@click.command()
@click.option(
    "--dialect",
    type=click.Choice(["duckdb", "spark", "postgres"]),
    metavar="NAME",
    default="duckdb",
    show_default=True,
    help="duckdb, spark or postgres.",
)
@click.option("--audits", is_flag=True, help="Also the audits: queries that return no row.")
def models(dialect: Dialect, audits: bool) -> None:
    """Print the models' SQL as a script, for another engine too.

    It creates the landing tables unless they exist, and builds the models from their rows.
    Views follow the reader's clock, or CLIPMART_NOW where it is set.

    \b
    clipmart models
    clipmart models --dialect spark --audits
    clipmart models --dialect postgres > models.sql
    """
    from pipelines.warehouse.compiler import project
    from pipelines.warehouse.dialects import script

    now = load_settings().pinned_now
    for block in script(project(), dialect, audits=audits, now=now):
        print_lines(block)


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
