"""The one place where text leaves a command for a terminal, a pipe or a file.

The text of an API, a file name or a library's error may hold characters that control a terminal,
hide text or forge a line. Nothing else in clipmart prints (tests/cli/test_output.py checks that),
so it is enough to clean everything here. With CLIPMART_LOG=json, stderr is a log of JSON objects.
"""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

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


LogLevel = Literal["info", "warning", "error"]


def say(message: str, level: LogLevel = "info") -> None:
    """One line to stderr: a message, progress, an error; its commands as they are typed here."""
    if isinstance(sys.stderr, JsonLog):
        sys.stderr.log(message, level)
    else:
        click.echo(printable(named(message)), err=True)


class JsonLog(io.TextIOBase):
    """stderr, each line of it a JSON object: time (UTC), level, command, message.

    What does not come through `say`, such as click's own words about a wrong option, is an error.
    It is no terminal, so nothing draws bars on it.
    """

    encoding = "utf-8"

    def __init__(self, stream: TextIO, command: str | None) -> None:
        self._stream = stream
        self._command = command
        self._unfinished = ""

    def log(self, message: str, level: LogLevel) -> None:
        """Write one object."""
        self._stream.write(self.line(message, level) + "\n")
        self._stream.flush()

    def line(self, message: str, level: LogLevel) -> str:
        """The object for a message."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = {"time": now, "level": level, "command": self._command}
        entry["message"] = printable(named(message))
        return json.dumps(entry, ensure_ascii=False)

    def write(self, text: str) -> int:
        """Write text of others: an object for each line."""
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        for line in lines:
            if line.strip():
                self.log(line, "error")
        return len(text)

    def flush(self) -> None:
        """Nothing waits here; an unfinished line stays until it ends."""


def log_as_json(command: str | None) -> None:
    """Make stderr a log of JSON objects.

    Args:
        command: the name of the command that runs; None if there is none.
    """
    if not isinstance(sys.stderr, JsonLog):
        sys.stderr = JsonLog(sys.stderr, command)


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
