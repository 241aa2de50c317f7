"""The versions of DuckDB and pandas that clipmart was tested with: those of pyproject.toml."""

from __future__ import annotations

import re
from types import ModuleType

from sources.shared.errors import FixConfiguration

RANGES = {"duckdb": ("1.5.5", "3"), "pandas": ("2.3", "4")}
"""From the first up to, but without, the second."""


def require(package: ModuleType) -> None:
    """Refuse a version outside the range, before anything is opened with it.

    The installed version is the module's own: reading the metadata of packages takes longer.

    Raises:
        FixConfiguration: the message says what to install.
    """
    name, version = package.__name__, str(package.__version__)
    least, bound = RANGES[name]
    if not _numbers(least) <= _numbers(version) < _numbers(bound):
        raise FixConfiguration(
            f"{name} {version} is installed, and clipmart needs {least} or later, below {bound}. "
            f"Nothing was opened or changed. Run `pip install '{name}>={least},<{bound}'`, then "
            "the command again."
        )


def _numbers(version: str) -> tuple[int, ...]:
    """(1, 5, 5) of "1.5.5"; of a pre-release such as "2.0.0.dev3" only what comes before."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
