"""Clipus: `clipus_source` for dlt. Settings, client and tables work without dlt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .source import clipus_source

__all__ = ["clipus_source"]


def __getattr__(name: str) -> Any:
    """Import the source when it is first used: dlt takes most of a second to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import source

    return getattr(source, name)
