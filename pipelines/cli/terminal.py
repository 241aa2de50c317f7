"""How a command prints its result, as lines or JSON, in colour, and how it ends."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from typing import Any, NoReturn

import click

from pipelines.output import print_csv, print_json, print_line, print_rendered, say
from sources.shared.errors import ClipmartError


def print_result(
    value: Any, lines: Iterable[object], *, as_json: bool, rendered: bool = False
) -> None:
    """A result as one JSON object, or as lines for a person.

    Args:
        rendered: the lines were cleaned before they were coloured.
    """
    if as_json:
        print_json(value)
        return
    for line in lines:
        if rendered:
            print_rendered(f"{line}\n")
        else:
            print_line(line)


def print_rows(text: str, format_: str) -> None:
    """Print rows that were rendered in a format."""
    (print_csv if format_ == "csv" else print_rendered)(text)


def terminal_width() -> int:
    """The terminal's width in columns; 80 if there is no terminal."""
    return shutil.get_terminal_size((80, 24)).columns


def coloured(level: str) -> str:
    """A level in its colour; click removes colours if the output is not a terminal."""
    if os.environ.get("NO_COLOR"):
        return level
    return click.style(level, fg={"ok": "green", "warn": "yellow", "fail": "red"}[level])


def end(exit_code: int) -> NoReturn:
    """End the command with an exit code."""
    click.get_current_context().exit(exit_code)


def end_with(error: ClipmartError) -> NoReturn:
    """Say what went wrong and end with its exit code."""
    say(f"clipmart: {error}", "error")
    end(error.exit_code)
