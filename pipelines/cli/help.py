"""How the command line helps: commands by task, and completion that imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_REPORTS = Path(__file__).resolve().parents[2] / "sql" / "models" / "reports"


class TaskGroup(click.Group):
    """A group whose help lists its commands by task, in the order of use."""

    def __init__(self, *args: Any, tasks: Mapping[str, tuple[click.Command, ...]], **attrs: Any):
        super().__init__(*args, **attrs)
        self._tasks = tasks
        for commands in tasks.values():
            for command in commands:
                self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each task."""
        width = max(map(len, self.commands))
        for task, commands in self._tasks.items():
            with formatter.section(task):
                formatter.write_dl(
                    [
                        (str(command.name).ljust(width), command.get_short_help_str(limit=80))
                        for command in commands
                    ]
                )


def complete_report(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Reports by name, with - or with _, in the style that was typed so far."""
    from click.shell_completion import CompletionItem

    join = "_" if "_" in incomplete else "-"
    names = sorted(path.stem.replace("_", join) for path in _REPORTS.glob("*.sql"))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
