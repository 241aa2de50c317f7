"""The one place where text leaves a command for a terminal, a pipe or a file.

The text of an API, a file name or a library's error may hold characters that control a terminal,
hide text or forge a line. Nothing else in clipmart prints (tests/cli/test_output.py checks that),
so it is enough to clean everything here.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

import click

from .program import named

# C0, C1, line and paragraph separators, marks and changes of writing direction, invisible spaces
# and letters, halves of surrogate pairs, tags (a whole run of them spells one hidden text).
_CONTROL = (
    "(?:[\x00-\x1f\x7f-\x9f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff]"
    "|[\U000e0000-\U000e0fff]+)"
)
_JOINERS = "[\u00ad\u200c\u200d]"


def printable(text: str) -> str:
    """One line of text that cannot control a terminal or hide anything.

    A line break becomes a space, and an invisible character a visible sign. Joiners and soft
    hyphens are dropped: ordinary emoji, Persian and hyphenated words have them.
    """
    return re.sub(_CONTROL, "\ufffd", re.sub(_JOINERS, "", re.sub(r"\s", " ", text)))


def json_escaped(text: str) -> str:
    r"""JSON text of the same value in which nothing controls a terminal: it is written as \uXXXX.

    In JSON such characters are only in strings, except for line breaks.
    """
    return re.sub(rf"(?!\n)(?:{_CONTROL}|{_JOINERS})", _escape, text)


def utc_text(value: datetime) -> str:
    """An instant in ISO 8601, in UTC, with Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def counted(number: int, thing: str) -> str:
    """'1 clip', '1,200 clips'."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def say(message: str) -> None:
    """One line to stderr: a message, progress, an error; its commands as they are typed here."""
    click.echo(printable(named(message)), err=True)


def print_line(line: object) -> None:
    """One line to stdout: a result, such as an id or a path."""
    click.echo(printable(str(line)))


def print_lines(text: str) -> None:
    """Several lines of our own to stdout, each cleaned; data in them has no line break."""
    for line in text.removesuffix("\n").split("\n"):
        print_line(line)


def print_rendered(text: str) -> None:
    """Text whose data was cleaned before it was laid out or coloured: a table, a status line."""
    click.echo(text, nl=False)


def print_json(value: Any) -> None:
    """A value as JSON to stdout."""
    click.echo(json_escaped(json.dumps(value, ensure_ascii=False, indent=2)))


def print_csv(text: str) -> None:
    """Whole rows of csv to stdout: byte for byte, but cleaned cell by cell on a terminal."""
    if sys.stdout.isatty():
        text = re.sub(r'"[^"]*"', lambda quoted: printable(quoted[0]), text)
        print_lines(text)
    else:
        click.echo(text, nl=False, color=True)  # without it, click removes ESC [ ... m


def _escape(unseen: re.Match[str]) -> str:
    units = unseen[0].encode("utf-16-be", "surrogatepass").hex()
    return re.sub("....", r"\\u\g<0>", units)
