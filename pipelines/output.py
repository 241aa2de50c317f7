"""The one place where text leaves a command for a terminal, a pipe or a file.

An API's text, a file's name or an error of a library's may hold what steers a terminal, hides
itself or forges a line. Nothing else in clipmart prints (tests/cli/test_output.py holds that),
so it is enough that everything here is cleaned.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import click

# C0, C1, line and paragraph separators, marks and changes of writing direction, spaces and letters
# that cannot be seen, halves of surrogate pairs, tags (a whole run of them spells one hidden text).
_STEERING = (
    "(?:[\x00-\x1f\x7f-\x9f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff]"
    "|[\U000e0000-\U000e0fff]+)"
)
_JOINERS = "[\u00ad\u200c\u200d]"


def printable(text: str) -> str:
    """One line of text that cannot steer a terminal or hide anything.

    A line break becomes a space and what cannot be seen becomes visible. Joiners and soft hyphens
    are dropped: ordinary emoji, Persian and hyphenated words have them.
    """
    return re.sub(_STEERING, "\ufffd", re.sub(_JOINERS, "", re.sub(r"\s", " ", text)))


def json_escaped(text: str) -> str:
    """JSON text of the same value in which nothing steers a terminal: it is written as \\uXXXX.

    In JSON such characters are in strings alone, but for the line breaks between them.
    """
    return re.sub(rf"(?!\n)(?:{_STEERING}|{_JOINERS})", _escape, text)


def say(message: str) -> None:
    """One line to stderr: a message, progress, an error."""
    click.echo(printable(message), err=True)


def print_line(line: object) -> None:
    """One line to stdout: a result, such as an id or a path."""
    click.echo(printable(str(line)))


def print_lines(text: str) -> None:
    """Our own text of several lines to stdout, each cleaned; data in it has no line break."""
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
        click.echo(text, nl=False, color=True)  # click would take ESC [ ... m out


def _escape(unseen: re.Match[str]) -> str:
    units = unseen[0].encode("utf-16-be", "surrogatepass").hex()
    return re.sub("....", r"\\u\g<0>", units)
