"""`clipmart query`: one statement on the published file, limited in time, memory and rows.

What does not fit its memory is written below state/ and removed afterwards.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Timer

import duckdb

from pipelines import stop
from pipelines.output import say
from pipelines.settings import Settings
from pipelines.warehouse.read import open_published, refuse_other_statements
from pipelines.warehouse.read import query as run
from sources.shared.errors import ClipmartError, Unusable

from .render import as_csv, render
from .rows import Table, batches, instants_as_text

MOST_ROWS = 1_000_000
"""Most rows of an answer. In csv, rows are printed as they come, so there is no limit."""
GRACE_SECONDS = 5.0
"""How long after the time limit the process ends if DuckDB cannot stop the function it is in."""


class TooMuch(ClipmartError):
    """The statement takes more time or memory, or gives more rows, than it may."""


def answer(settings: Settings, sql: str, format: str, width: int = 80) -> Iterator[str]:
    """The rows of one statement as text, in pieces.

    Raises:
        Unusable: as `warehouse.query`.
        TooMuch: a limit was reached; in csv some rows may already be printed.
        NotPublished, TryAgainLater, FixConfiguration: as `open_published`.
    """
    with limited(settings) as (con, expired):
        for text in _rendered(_rows(con, sql, format), format, width):
            if expired.is_set():
                raise _too_long(settings.query_seconds)
            yield without_lake_secrets(settings, text)


@contextmanager
def limited(
    settings: Settings, disk_bytes: int | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Event]]:
    """What is published now, for one statement within the limits of time and memory.

    The event is set once the time is up; DuckDB's own work is then interrupted, our own is not.

    Args:
        settings: where it is, and the limits.
        disk_bytes: most that may be written for what does not fit the memory; None: all there is.

    Raises:
        Unusable: the block raised it; its message is without a lake's secrets.
        TooMuch: a limit was reached.
        NotPublished, TryAgainLater, FixConfiguration: as `open_published`.
    """
    with _spilling(settings) as folder:
        limits = {
            "memory_limit": f"{settings.query_memory_bytes}B",
            "temp_directory": str(folder or ""),
        }
        if disk_bytes is not None:
            limits["max_temp_directory_size"] = f"{disk_bytes}B"
        with (
            open_published(settings, limits=limits) as con,
            _memory_limit(2 * settings.query_memory_bytes),
            _time_limit(con, settings.query_seconds) as expired,
            stop.from_a_thread(con.interrupt),
        ):
            try:
                yield con, expired
            except duckdb.InterruptException as error:
                stop.check()
                raise _too_long(settings.query_seconds) from error
            except (duckdb.OutOfMemoryException, MemoryError) as error:
                raise TooMuch(
                    f"The statement needs more than {settings.query_memory_bytes / 1e9:g} GB of "
                    "memory and was stopped. Nothing was changed. Select fewer rows or columns "
                    "(WHERE, LIMIT), use --format csv, or set CLIPMART_QUERY_MEMORY higher."
                ) from error
            except Unusable as error:
                message = without_lake_secrets(settings, str(error), message=True)
                raise Unusable(message) from error
            except BaseException:
                # After a signal the statement still runs in other threads: closing waits for them.
                con.interrupt()
                raise


def _rows(con: duckdb.DuckDBPyConnection, sql: str, format: str) -> Iterator[Table]:
    """The rows of one statement; in csv with instants as text, if it can be part of another."""
    if format != "csv":
        yield from batches(run(con, sql))
        return
    parts = instants_as_text(con, sql.strip().rstrip(";"))
    try:
        refuse_other_statements(con, sql)
        first = next(parts)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except duckdb.Error:
        yield from batches(run(con, sql))  # which says what is wrong with it, if anything is
        return
    yield first
    yield from parts


def _rendered(parts: Iterator[Table], format: str, width: int) -> Iterator[str]:
    if format == "csv":
        for number, part in enumerate(parts):
            yield as_csv(part, raw=True, header=number == 0)
        return
    whole = next(parts)
    for part in parts:
        whole.rows.extend(part.rows)
        if len(whole.rows) > MOST_ROWS:
            raise TooMuch(
                f"The answer has more than {MOST_ROWS:,} rows. Nothing was printed. Narrow it with "
                "WHERE or LIMIT, or use --format csv, which prints rows as they come."
            )
    yield render([whole], format, raw=True, width=width)


def _too_long(seconds: float) -> TooMuch:
    return TooMuch(
        f"The statement was stopped after {seconds:g} s. Nothing was changed. "
        "Narrow it with WHERE or LIMIT, or set CLIPMART_QUERY_SECONDS higher (0: no limit)."
    )


def without_lake_secrets(settings: Settings, shown: str, *, message: bool = False) -> str:
    """Rows as text, or a message, without the passwords of the lake that they were read from."""
    if settings.lake is None:
        return shown
    from pipelines.warehouse.lake import redacted, redacted_answer

    return redacted(settings.lake, shown) if message else redacted_answer(settings.lake, shown)


@contextmanager
def _spilling(settings: Settings) -> Iterator[Path | None]:
    """A folder that DuckDB creates if it needs one; None if the state cannot be written."""
    if not os.access(settings.state_dir, os.W_OK):
        yield None
        return
    for left in settings.state_dir.glob("tmp-query-*"):
        with suppress(ValueError, PermissionError):
            try:
                os.kill(int(left.name.rpartition("-")[2]), 0)
            except ProcessLookupError:
                shutil.rmtree(left, ignore_errors=True)  # its process was killed
    folder = settings.state_dir / f"tmp-query-{os.getpid()}"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _memory_limit(more: int) -> Iterator[None]:
    """Let this process use so many bytes more: DuckDB's own limit ignores lists and texts."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except OSError:  # not Linux, where the limit would not hold
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = pages * resource.getpagesize() + more
    allowed = min(limit for limit in (wanted, soft, hard) if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def _time_limit(con: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[Event]:
    """Interrupt the connection after so many seconds and set the event; 0: never."""
    expired = Event()

    def interrupt() -> None:
        expired.set()
        con.interrupt()

    def end() -> None:
        # A single function call, such as levenshtein of two long texts, ignores the interrupt.
        with suppress(OSError):
            say(f"clipmart: {_too_long(seconds)}", "error")
        os._exit(TooMuch.exit_code)

    timers = [Timer(seconds, interrupt), Timer(seconds + GRACE_SECONDS, end)] if seconds else []
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield expired
    finally:
        for timer in timers:
            timer.cancel()
