"""How the command line helps: commands by task, and completion that imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

TASKS = {
    "Set up": ("demo", "doctor", "track", "untrack", "submit", "listen", "schedule", "sandbox"),
    "Every day": ("sync", "status", "report", "query", "export", "credits"),
    "Look closer": ("ids", "docs", "rejected"),
    "Repair and move": ("publish", "recover", "migrate"),
}
"""Every command by what it is for; a command that none of them names comes last."""

_REPORTS = Path(__file__).resolve().parents[2] / "sql" / "models" / "reports"


class TaskGroup(click.Group):
    """A group whose help lists its commands by task, in the order of use."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for task, names in self._by_task():
            with formatter.section(task):
                formatter.write_dl(
                    [
                        (name.ljust(width), self.commands[name].get_short_help_str(limit=80))
                        for name in names
                    ]
                )

    def _by_task(self) -> Iterator[tuple[str, list[str]]]:
        named = {name for names in TASKS.values() for name in names}
        tasks = {**TASKS, "More": sorted(self.commands.keys() - named)}
        for task, names in tasks.items():
            if found := [name for name in names if name in self.commands]:
                yield task, found


def complete_report(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Reports by name, with - or with _, as one began to write it."""
    from click.shell_completion import CompletionItem

    join = "_" if "_" in incomplete else "-"
    names = sorted(path.stem.replace("_", join) for path in _REPORTS.glob("*.sql"))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
