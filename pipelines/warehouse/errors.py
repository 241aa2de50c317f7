"""Why nothing is published."""

from __future__ import annotations

from sources.shared.errors import ClipmartError, FixConfiguration


class BuildFailed(ClipmartError):
    """The models could not be read, or not be built from what has landed."""


class AuditFailed(BuildFailed):
    """A blocking audit found rows that clipmart's own code should prevent."""


class LandingLacksIds(FixConfiguration):
    """What would be published lacks ids that the published file or lake has."""
