"""How to start this environment's programs, whose folder may not be on PATH."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def program_path(name: str = "clipmart") -> Path:
    """Where a program of this environment is: next to the running Python."""
    return Path(sys.executable).with_name(name)


def command_line(name: str = "clipmart") -> str:
    """What to type to start a program: its name if that is on PATH, else its path, quoted."""
    return name if shutil.which(name) else shlex.quote(from_here(program_path(name)))


def from_here(path: Path) -> str:
    """A path relative to the working folder, if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
