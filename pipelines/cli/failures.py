"""A foreseeable failure of a command becomes one message and its exit code."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Sequence
from typing import Any

import click

from pipelines import stop
from pipelines.output import log_as_json
from pipelines.settings import load_settings, log_format
from sources.shared.errors import ClipmartError, FixConfiguration

from .help import TaskGroup
from .terminal import end, end_with


class CommandGroup(TaskGroup):
    """The commands by task, with an exit code for each failure."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **attributes: Any) -> Any:
        """Run the command line, with stderr as CLIPMART_LOG says."""
        if log_format() == "json":
            words = sys.argv[1:] if args is None else args
            log_as_json(next((word for word in words if word in self.commands), None))
        return super().main(args, *more, **attributes)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a foreseeable error becomes one message and an exit code."""
        try:
            with stop.at_once():
                return super().invoke(ctx)
        except BrokenPipeError:
            # The reader closed the output, as `| head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            end(0)
        except (Exception, KeyboardInterrupt) as error:
            failure = foreseen(error)
            if failure is None:
                raise
            end_with(failure)


def foreseen(error: Exception | KeyboardInterrupt) -> ClipmartError | None:
    """The message for a foreseeable error; None for click's own errors and for our defects."""
    if isinstance(error, ClipmartError):
        return error
    if not isinstance(error, Exception):  # KeyboardInterrupt
        return stop.Stopped(stop.STOPPED)
    if isinstance(error, sqlite3.Error):
        from pipelines.ledger.ledger import ledger_unusable_error

        return ledger_unusable_error(load_settings().ledger, error)
    if isinstance(error, OSError):
        from pipelines.disk import disk_full, is_full

        if is_full(error):
            return disk_full(error.filename or load_settings().data_dir)
        return FixConfiguration(
            f"{error.filename or 'A file'} cannot be used ({error.strerror}). What "
            "was loaded before stays. Fix that, then run the command again."
        )
    if stop.requested() and not isinstance(error, click.exceptions.Exit):
        # An interrupted DuckDB query raises DuckDB's own error.
        return stop.Stopped(stop.STOPPED)
    if type(error).__module__.endswith("duckdb"):  # which may not be imported
        from pipelines.landing.store import duckdb_error

        return duckdb_error(load_settings(), error)
    return None
