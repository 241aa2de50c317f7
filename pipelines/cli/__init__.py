"""The command line: options, commands, help and completion, exit codes.

It may import every other room; each command imports what it needs when it is called.
"""

from __future__ import annotations

from .commands import main, run

__all__ = ["main", "run"]
