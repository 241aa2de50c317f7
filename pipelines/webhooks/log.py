"""The receiver's log on stderr: a line per request, never waiting for its reader."""

from __future__ import annotations

import logging
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from pipelines.output import JsonLog, LogLevel, printable

LIBRARY_LINES = 10  # in a minute
MOST_CHARACTERS = 900  # of a message in JSON: at 4 bytes each, its object is below PIPE_BUF


def log(line: str, level: LogLevel = "info") -> None:
    """Write a line with its instant, or drop it if the log's reader is stalled."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(sys.stderr, JsonLog):
        entry = sys.stderr.line(line[:MOST_CHARACTERS], level)
    else:
        entry = f"{now} {printable(line)}"
    with suppress(OSError, ValueError):
        # A stalled reader of the log must not delay events: the line is dropped. A write of at most
        # PIPE_BUF bytes does not block when select reports room.
        if select.select([], [2], [], 0)[1]:
            os.write(2, entry.encode()[: select.PIPE_BUF - 1] + b"\n")


@contextmanager
def libraries_logged() -> Iterator[None]:
    """Libraries log here; on their own they would flood stderr and wait for its reader."""
    handler, root = _LibraryLog(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _LibraryLog(logging.Handler):
    """Warnings of asyncio and uvicorn: the first lines of each minute, in the receiver's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._minute, self._lines = 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        minute = int(time.monotonic() / 60)
        self._lines = self._lines + 1 if minute == self._minute else 1
        self._minute = minute
        if self._lines > LIBRARY_LINES:
            return
        line = record.getMessage().partition("\n")[0]
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OSError):
            line += f" ({error.strerror or type(error).__name__})"
        elif error is not None:
            line = self.format(record)  # a defect: log its traceback
        more = " The rest of this minute is left out." if self._lines == LIBRARY_LINES else ""
        log(f"{record.name}: {line}{more}", "warning")
