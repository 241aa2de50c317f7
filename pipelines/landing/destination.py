"""dlt's duckdb destination for the landing file, without what makes it slow for many small loads.

A load reads the destination's capabilities some thirty times, and each time dlt searches for every
setting in environment and files: a quarter of a load's time. And if a table has a key and a
parent's key, dlt deletes by both at once, joined by OR, for which DuckDB compares every landed row
with every new one: 100 ms a load with 5,000 landed clips, and more with more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlt.common.configuration import configspec
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.configuration import (
    DuckDbClientConfiguration,
    DuckDbCredentials,
)
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.sql_jobs import SqlMergeFollowupJob


class CachedCapabilities:
    """Mixin for a dlt destination whose settings do not change while the process lives."""

    _capabilities: dict[type | None, DestinationCapabilitiesContext] | None = None

    def capabilities(self, config: Any = None, naming: Any = None) -> Any:
        """A copy of what dlt answered to the first call with this kind of naming."""
        cache = self._capabilities = self._capabilities or {}
        kind = type(naming) if naming else None
        if kind not in cache:
            cache[kind] = super().capabilities(config, naming)  # type: ignore[misc]
        return cache[kind].copy()


class SeparateKeyMerge:
    """Mixin for the client of a destination on DuckDB: merges by `Merge`."""

    sql_client: Any

    def _create_merge_followup_jobs(self, table_chain: Sequence[Any]) -> list[Any]:
        return [Merge.from_table_chain(table_chain, self.sql_client)]


class Merge(SqlMergeFollowupJob):
    """Deletes the landed rows with a new row's key, then those of its parent."""

    @classmethod
    def gen_key_table_clauses(
        cls,
        root_table_name: str,
        staging_root_table_name: str,
        primary_keys: Sequence[str],
        merge_keys: Sequence[str],
        for_delete: bool,
        source_filter: str | None = None,
    ) -> list[str]:
        """dlt's clauses for the primary key, then those for the merge key."""
        clauses = []
        for primary, parents in ((primary_keys, ()), ((), merge_keys)):
            if primary or parents:
                clauses += super().gen_key_table_clauses(
                    root_table_name,
                    staging_root_table_name,
                    primary,
                    parents,
                    for_delete,
                    source_filter,
                )
        return clauses


@configspec(init=False)
class FileCredentials(DuckDbCredentials):
    """A file's path as it is; dlt would pass it through SQLAlchemy as an address."""

    def __str__(self) -> str:
        return self.database


@configspec(init=False)
class FileConfiguration(DuckDbClientConfiguration):
    """dlt's configuration, with a plain path."""

    credentials: FileCredentials = None  # type: ignore[assignment]


class FileClient(SeparateKeyMerge, DuckDbClient):
    """dlt's client, with our merge."""


class FileDestination(CachedCapabilities, duckdb):
    """dlt's duckdb destination with the two changes above."""

    spec = FileConfiguration
    client_class = FileClient
    destination_type = "dlt.destinations.duckdb"  # the name under which dlt's state knows it


def destination(file: Path) -> FileDestination:
    """The landing file as a dlt destination."""
    credentials = FileCredentials()
    credentials.database = str(file)
    return FileDestination(credentials)
