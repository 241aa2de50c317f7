"""How to start this environment's programs, whose folder may not be on PATH."""

from __future__ import annotations

import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def program_path(name: str = "clipmart") -> Path:
    """Where a program of this environment is: next to the running Python."""
    return Path(sys.executable).with_name(name)


def command_line(name: str = "clipmart") -> str:
    """What to type to start a program of this environment.

    Its name if that is the one on PATH, else its path, quoted. `uvx` deletes its environment some
    day, so there it is `uvx` again.
    """
    path = program_path(name)
    if runs_by_uvx():
        return f"uvx {name}" if name == "clipmart" else f"uvx --from 'clipmart[notebooks]' {name}"
    on_path = shutil.which(name)
    if on_path is not None and path.exists() and Path(on_path).samefile(path):
        return name
    return shlex.quote(from_here(path))


def named(text: str) -> str:
    """A message whose commands, quoted as `clipmart …`, can be typed as they are printed."""
    if "`clipmart " not in text:
        return text
    return text.replace("`clipmart ", f"`{_command(Path.cwd())} ")


def runs_by_uvx() -> bool:
    """Whether this environment is one of uv's cache, which `uvx` runs programs from."""
    return "archive-v0" in Path(sys.prefix).parts


def checkout() -> Path | None:
    """The folder of the checkout this runs from; None for an installed wheel."""
    folder = PACKAGE.parent
    return folder if (folder / "Makefile").exists() else None


def from_here(path: Path) -> str:
    """A path relative to the working folder, if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


@cache
def _command(_folder: Path) -> str:
    return command_line()
