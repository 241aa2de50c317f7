"""dlt's duckdb destination for the landing file, asked once what dlt asks it over and over.

A load asks some thirty times what DuckDB can do, and each time every setting is looked for anew in
environment and files: a quarter of what a small load costs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlt.common.configuration import configspec
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.configuration import (
    DuckDbClientConfiguration,
    DuckDbCredentials,
)


class AskedOnce:
    """Goes before a dlt destination whose settings do not change while the process lives."""

    _capabilities: dict[type | None, DestinationCapabilitiesContext] | None = None

    def capabilities(self, config: Any = None, naming: Any = None) -> Any:
        known = self._capabilities = self._capabilities or {}
        how = type(naming) if naming else None
        if how not in known:
            known[how] = super().capabilities(config, naming)  # type: ignore[misc]
        return known[how].copy()


@configspec(init=False)
class FileCredentials(DuckDbCredentials):
    """A file's path as it is: as an address dlt would have SQLAlchemy read and write it."""

    def __str__(self) -> str:
        return self.database


@configspec(init=False)
class FileConfiguration(DuckDbClientConfiguration):
    credentials: FileCredentials = None  # type: ignore[assignment]


class FileDestination(AskedOnce, duckdb):
    spec = FileConfiguration
    destination_type = "dlt.destinations.duckdb"  # the name under which dlt's state knows it


def destination(file: Path) -> FileDestination:
    """The landing file as a destination."""
    credentials = FileCredentials()
    credentials.database = str(file)
    return FileDestination(credentials)
