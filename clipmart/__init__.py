"""clipmart as an import: read what is published, and the sources for a dlt pipeline of your own.

`from clipmart import clipus_source, connect, klipit_source, report`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.warehouse import connect, report
    from sources.clipus import clipus_source
    from sources.klipit import klipit_source

__all__ = ["clipus_source", "connect", "klipit_source", "report"]

_HOMES = {
    "clipus_source": "sources.clipus",
    "connect": "pipelines.warehouse",
    "klipit_source": "sources.klipit",
    "report": "pipelines.warehouse",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is used: DuckDB and dlt each take a while."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, which are not all loaded yet."""
    return __all__
