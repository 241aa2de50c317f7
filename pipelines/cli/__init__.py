"""The command line: options, commands, help and completion, exit codes.

At the top of the house: it may import every other room, and each command imports its own.
"""

from __future__ import annotations

from .commands import main, run

__all__ = ["main", "run"]
