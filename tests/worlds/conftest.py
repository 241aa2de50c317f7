"""Every command that a person reads, over every world."""

from tests.support.worlds import world

__all__ = ["world"]
