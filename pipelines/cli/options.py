"""Options and arguments that several commands take, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any

import click

from pipelines.service import SERVICES
from sources.shared.errors import Unusable

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


service_argument = click.argument("service", type=click.Choice(list(SERVICES)))
file_argument = click.argument(
    "file", required=False, type=click.Path(dir_okay=False, path_type=Path)
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv", "markdown"]),
    metavar="NAME",
    default="table",
    show_default=True,
    help="table, json, csv or markdown.",
)


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of a report's rows and columns, which the command gets as `selection`."""

    @click.option("--show", metavar="NAME", help="Only rows of this show.")
    @click.option("--since", metavar="DATE", help="Only rows from this day on: 2026-11-01.")
    @click.option("--sort", metavar="COLUMN", help="Highest and latest first; text by alphabet.")
    @click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N rows.")
    @click.option("--no-links", is_flag=True, help="Leave out download links; they may be signed.")
    @wraps(command)
    def with_selection(
        show: str | None,
        since: str | None,
        sort: str | None,
        limit: int | None,
        *,
        no_links: bool,
        **others: Any,
    ) -> Any:
        from pipelines.reports.rows import Selection

        return command(
            selection=Selection(show, _day(since), sort, limit, links=not no_links), **others
        )

    return with_selection


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise Unusable(f"'{text}' is not a date. --since takes one such as 2026-11-01.") from error


again_option = click.option(
    "--again", is_flag=True, help="Submit even if the URL was submitted before."
)
wait_option = click.option("--wait", is_flag=True, help="Poll until the end, with progress.")


def watch_options(notify: str, ping: str) -> Decorator:
    """`--notify URL` and `--ping URL`, with what they are for in this command."""

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        command = click.option("--ping", metavar="URL", help=ping)(command)
        return click.option("--notify", metavar="URL", help=notify)(command)

    return with_options


def port_option(default: int) -> Decorator:
    """`--port N`, 0 for a free one."""
    return click.option(
        "--port",
        type=click.IntRange(0, 65535),
        metavar="N",
        default=default,
        show_default=True,
        help="Port to listen on; 0 takes a free one.",
    )
