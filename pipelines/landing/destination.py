"""dlt's duckdb destination for the landing file, without what makes it slow for many small loads.

A load asks some thirty times what DuckDB can do, and each time every setting is looked for anew in
environment and files: a quarter of what it costs. And where a table has a key and a parent's key,
dlt deletes by both at once, joined by OR, for which DuckDB compares every landed row with every
new one: 100 ms a load beside 5,000 clips, and ever more.
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


class AskedOnce:
    """Goes before a dlt destination whose settings do not change while the process lives."""

    _capabilities: dict[type | None, DestinationCapabilitiesContext] | None = None

    def capabilities(self, config: Any = None, naming: Any = None) -> Any:
        known = self._capabilities = self._capabilities or {}
        how = type(naming) if naming else None
        if how not in known:
            known[how] = super().capabilities(config, naming)  # type: ignore[misc]
        return known[how].copy()


class MergesByOneKeyAtATime:
    """Goes before the client of a destination on DuckDB."""

    sql_client: Any

    def _create_merge_followup_jobs(self, table_chain: Sequence[Any]) -> list[Any]:
        return [Merge.from_table_chain(table_chain, self.sql_client)]


class Merge(SqlMergeFollowupJob):
    """Deletes the rows of a new one's key, then those of its parent."""

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
    """A file's path as it is: as an address dlt would have SQLAlchemy read and write it."""

    def __str__(self) -> str:
        return self.database


@configspec(init=False)
class FileConfiguration(DuckDbClientConfiguration):
    credentials: FileCredentials = None  # type: ignore[assignment]


class FileClient(MergesByOneKeyAtATime, DuckDbClient):
    pass


class FileDestination(AskedOnce, duckdb):
    spec = FileConfiguration
    client_class = FileClient
    destination_type = "dlt.destinations.duckdb"  # the name under which dlt's state knows it


def destination(file: Path) -> FileDestination:
    """The landing file as a destination."""
    credentials = FileCredentials()
    credentials.database = str(file)
    return FileDestination(credentials)
