"""SIGTERM and SIGINT: a command ends with 75 and a sentence, and never cuts a write in two.

The start of the process installs the handlers. They record a signal, and its effect depends on the
part of the work: `at_once` interrupts it, `deferred` lets it end or reach its next `check`,
`calling` calls back. A program that only imports clipmart keeps its own handlers.

Nothing else installs handlers for these: asyncio's would leave the defaults behind, and dlt's hide
a signal (see `Loader`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Thread, current_thread, main_thread

from sources.shared.errors import TryAgainLater

STOPPED = "Stopped by a signal. What was saved before stays. Run the command again."


class Stopped(TryAgainLater):
    """A signal arrived, and this is a safe point to end."""


_requested = False
_react: Callable[[], object] | None = None


def install() -> None:
    """Handle SIGTERM and SIGINT from now on; a signal that the parent ignores stays ignored."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


def requested() -> bool:
    """Whether a signal asked this process to end."""
    return _requested


def check(message: str = STOPPED) -> None:
    """A safe point.

    Raises:
        Stopped: a signal has arrived.
    """
    if _requested:
        raise Stopped(message)


@contextmanager
def calling(react: Callable[[], object] | None) -> Iterator[None]:
    """Call back on a signal, also on one that arrived before."""
    global _react
    before, _react = _react, react
    try:
        if _requested and react is not None:
            react()
        yield
    finally:
        _react = before


def at_once() -> AbstractContextManager[None]:
    """A part that KeyboardInterrupt may interrupt anywhere."""
    return calling(_interrupt)


def deferred() -> AbstractContextManager[None]:
    """A part that runs to its end, or to its next `check`."""
    return calling(None)


@contextmanager
def from_a_thread(react: Callable[[], object]) -> Iterator[None]:
    """Call back from another thread the moment a signal arrives.

    The other reactions wait until Python runs again in the main thread, which a statement of
    DuckDB 2 may prevent for hours: it looks for signals only between pieces of work, not while it
    waits for its threads.
    """
    if current_thread() is not main_thread():  # where Python lets nobody listen
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def watch() -> None:
        if os.read(reader, 1):  # nothing: the other end was closed
            react()

    thread = Thread(target=watch, daemon=True)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)


def _on_signal(number: int, frame: object) -> None:
    global _requested
    _requested = True
    if _react is not None:
        _react()


def _interrupt() -> None:
    global _react
    _react = None  # only once: the cleaning up is not interrupted
    raise KeyboardInterrupt
