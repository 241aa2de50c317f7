"""Clipus: `clipus_source` for dlt; settings, client and rows do without dlt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .source import clipus_source

__all__ = ["clipus_source"]


def __getattr__(name: str) -> Any:
    """Import the source where it is used: dlt takes most of a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import source

    return getattr(source, name)
