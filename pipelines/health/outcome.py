"""How a sync ended, as everything that watches it reports it: its exit code and its lines."""

from __future__ import annotations

from pipelines.output import printable
from pipelines.settings import Settings
from pipelines.sync.result import SyncResult
from sources.shared.errors import ClipmartError


def code_of(outcome: SyncResult | Exception) -> int:
    """The exit code of a sync."""
    if isinstance(outcome, SyncResult | ClipmartError):
        return outcome.exit_code
    return 1  # a defect


def message_of(error: Exception) -> str:
    """What an error that ended a sync says; of a defect only its kind."""
    if isinstance(error, ClipmartError):
        return str(error)
    return f"It ended with {type(error).__name__}; its own output says more."


def outcome_lines(settings: Settings | None, outcome: SyncResult | Exception) -> list[str]:
    """What a sync printed at its end, without secrets.

    Args:
        settings: None if they could not be read.
    """
    if isinstance(outcome, SyncResult):
        lines = [*outcome.lines(), *outcome.problems()]
    else:
        lines = [message_of(outcome)]
    if settings is not None:
        lines = [settings.without_secrets(line) for line in lines]
    return [printable(line) for line in lines]
