"""Options and arguments that several commands take, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipelines.service import SERVICES

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


again_option = click.option(
    "--again", is_flag=True, help="Submit even if the URL was submitted before."
)
wait_option = click.option("--wait", is_flag=True, help="Poll until the end, with progress.")


def notify_option(purpose: str) -> Decorator:
    """`--notify URL`, with what it is for in this command."""
    return click.option("--notify", metavar="URL", help=purpose)


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
