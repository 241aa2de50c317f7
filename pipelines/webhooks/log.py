"""The receiver's log: a line a request on stderr, which never waits for its reader."""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from pipelines.output import printable

LIBRARY_LINES = 10  # in a minute


def log(line: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with suppress(OSError, ValueError):
        # A reader of the log that stands still must not hold up events: the line is left out. So
        # many bytes never wait where select says that there is room.
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"{now} {printable(line)}".encode()[: select.PIPE_BUF - 1] + b"\n")


@contextmanager
def libraries_logged() -> Iterator[None]:
    """Else they write to stderr themselves, as much as they like, and wait for its reader."""
    handler, root = _LibraryLog(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _LibraryLog(logging.Handler):
    """What asyncio and uvicorn report: the first lines of each minute, in the receiver's log."""

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
            line = self.format(record)  # a defect: its traceback says where
        more = " More of this minute is left out." if self._lines == LIBRARY_LINES else ""
        log(f"{record.name}: {line}{more}")
