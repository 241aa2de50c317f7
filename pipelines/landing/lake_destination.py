"""dlt's ducklake destination, which lands a package in one transaction over one connection.

dlt by itself opens some twenty connections a load, stages the rows in tables of the lake, and
commits every step: 250 transactions of PostgreSQL, six snapshots, and tables in the catalog for
staged rows. Here a file is staged as a temporary table of the connection, and when dlt completes
the load, its own merge statements run with the load's row in one transaction. A package that was
cut short has landed nothing, so what its folder holds is dropped (`Loader.drain`).

What is attached holds no password.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import duckdb
from dlt.common.configuration import configspec
from dlt.common.configuration.specs import AwsCredentialsWithoutDefaults
from dlt.common.configuration.specs.base_configuration import NotResolved
from dlt.common.configuration.specs.connection_string_credentials import ConnectionStringCredentials
from dlt.common.destination.client import HasFollowupJobs, RunnableLoadJob
from dlt.common.storages.configuration import FilesystemConfiguration
from dlt.destinations import ducklake
from dlt.destinations.impl.duckdb.configuration import DuckDbConnectionPool
from dlt.destinations.impl.ducklake.configuration import (
    DuckLakeClientConfiguration,
    DuckLakeCredentials,
)
from dlt.destinations.impl.ducklake.ducklake import DuckLakeClient
from dlt.destinations.impl.ducklake.sql_client import DuckLakeSqlClient

from pipelines.settings import Lake
from pipelines.warehouse.catalog import literal, quoted
from pipelines.warehouse.lake import CATALOGS, open_lake

from .destination import CachedCapabilities, Merge, SeparateKeyMerge


class Connection:
    """The one connection of all loads, opened on first use and after a failure."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.recorded: set[tuple[str, str]] = set()
        """Datasets and versions of their schemas that the lake is known to have."""
        self.staged: set[str] = set()
        """Temporary tables."""
        self.merges: list[str] = []
        """Statements that land what is staged."""
        self._open: duckdb.DuckDBPyConnection | None = None

    def opened(self) -> duckdb.DuckDBPyConnection:
        """The connection. Its current database is not the lake, which staging need not reach."""
        if self._open is None:
            self._open = open_lake(self.lake, landing=True)
            self._open.execute("USE memory")
        return self._open

    def begin(self) -> None:
        """Forget what is staged: a package begins."""
        if self._open is not None:
            self._open.execute("".join(f"DROP TABLE {table};" for table in self.staged))
        self.staged.clear()
        self.merges.clear()

    def close(self) -> None:
        """Close it, and with it forget what is staged."""
        if self._open is not None:
            self._open.close()
        self._open = None
        self.recorded.clear()
        self.staged.clear()
        self.merges.clear()


class _Connections(DuckDbConnectionPool):
    connection: Connection

    def borrow_conn(self, *_: Any, **__: Any) -> duckdb.DuckDBPyConnection:
        return self.connection.opened()

    def return_conn(self, conn: duckdb.DuckDBPyConnection) -> int:
        return 0


@configspec(init=False)
class LakeCredentials(DuckLakeCredentials):
    """dlt's credentials, with the lake's own connection."""

    connection: Annotated[Any, NotResolved()] = None

    def on_resolved(self) -> None:
        """Replace dlt's pool of connections."""
        self.conn_pool = _Connections(self, always_open_connection=True)
        self.conn_pool.connection = self.connection


@configspec
class LakeConfiguration(DuckLakeClientConfiguration):
    """dlt's configuration, with these credentials."""

    credentials: LakeCredentials = None  # type: ignore[assignment]


class LakeSqlClient(DuckLakeSqlClient):
    """dlt's client over a connection that has the lake attached and outlives it."""

    _conn: Any
    credentials: Any

    def open_connection(self) -> duckdb.DuckDBPyConnection:
        """Borrow the connection, as it is."""
        connection: duckdb.DuckDBPyConnection = self.credentials.conn_pool.borrow_conn()
        self._conn = connection
        return connection

    def close_connection(self) -> None:
        """Leave it open."""
        self._conn = None

    def catalog_name(self, quote: bool = True, casefold: bool = True) -> str:
        """The landing lake's."""
        return "landing"

    def get_qualified_table_names(
        self, table_name: str, quote: bool = True, casefold: bool = True
    ) -> tuple[str, str]:
        """A table's name, and that of the temporary table in which its rows are staged."""
        table = self.make_qualified_table_name(table_name, quote, casefold)
        return table, f"temp.{quoted(f'staged {table_name}')}"


class StageJob(RunnableLoadJob, HasFollowupJobs):
    """Stages a Parquet file of a package."""

    def run(self) -> None:
        """Read it into a temporary table, behind the rows of the table's other files."""
        client: Any = self._job_client
        _, staged = client.sql_client.get_qualified_table_names(self.load_table_name)
        rows = f"FROM read_parquet({literal(self._file_path)})"
        client.sql_client.execute_sql(
            f"""CREATE TEMP TABLE IF NOT EXISTS {staged} AS {rows} LIMIT 0;
                INSERT INTO {staged} BY NAME {rows}"""
        )
        client.connection.staged.add(staged)


class LakeClient(SeparateKeyMerge, DuckLakeClient):
    """dlt's client, which collects what lands a package and executes it at once."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        of_dlt = self.sql_client
        self.sql_client = LakeSqlClient(
            of_dlt.dataset_name,
            of_dlt.staging_dataset_name,
            of_dlt.credentials,
            of_dlt.capabilities,
        )
        credentials: Any = self.config.credentials
        self.connection: Connection = credentials.connection

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:
        """Staged rows are in no dataset."""
        return False

    def create_load_job(
        self, table: Any, file_path: str, load_id: str, restore: bool = False
    ) -> StageJob:
        """Every file is staged."""
        return StageJob(file_path)

    def initialize_storage(self, truncate_tables: Any = None) -> None:
        """Create the dataset; nothing is staged yet."""
        self.connection.begin()
        if self._version not in self.connection.recorded:
            self.sql_client.execute_sql(
                f"CREATE SCHEMA IF NOT EXISTS {self.sql_client.fully_qualified_dataset_name()}"
            )

    def update_stored_schema(self, *arguments: Any, **named: Any) -> Any:
        """Compare with the lake once for each version of the schema."""
        if self._version in self.connection.recorded:
            return {}
        update = super().update_stored_schema(*arguments, **named)
        self.connection.recorded.add(self._version)
        return update

    @property
    def _version(self) -> tuple[str, str]:
        return self.sql_client.dataset_name, str(self.schema.stored_version_hash)

    def _create_merge_followup_jobs(self, table_chain: Any) -> list[Any]:
        self.connection.merges += Merge.generate_sql(table_chain, self.sql_client)
        return []

    def _create_append_followup_jobs(self, table_chain: Any) -> list[Any]:
        for table in table_chain:
            place, staged = self.sql_client.get_qualified_table_names(table["name"])
            self.connection.merges.append(f"INSERT INTO {place} BY NAME FROM {staged}")
        return []

    def complete_load(self, load_id: str) -> None:
        """Land what is staged, and record the load: both or neither."""
        with self.sql_client.begin_transaction():
            self.sql_client.execute_many(self.connection.merges)
            super().complete_load(load_id)
        self.connection.merges.clear()


class LakeDestination(CachedCapabilities, ducklake):
    """dlt's ducklake destination with these changes."""

    spec = LakeConfiguration
    client_class = LakeClient


def destination(connection: Connection) -> LakeDestination:
    """The landing lake as a dlt destination."""
    lake = connection.lake
    files = f"{lake.files}/landing"
    storage: Any = Path(files).as_uri() if not lake.on_s3 else FilesystemConfiguration(files)
    if lake.on_s3:
        key = AwsCredentialsWithoutDefaults()
        key.aws_access_key_id, key.aws_secret_access_key = (
            lake.s3_key_id or "",
            lake.s3_secret or "",
        )
        key.aws_session_token, key.region_name = lake.s3_session_token, lake.s3_region
        key.endpoint_url, key.s3_url_style = lake.s3_endpoint, "path"
        storage.credentials = key
    credentials = LakeCredentials(
        "landing",
        metadata_schema=CATALOGS["landing"],
        catalog=ConnectionStringCredentials(lake.catalog.url),
        storage=storage,
    )
    credentials.connection = connection
    return LakeDestination(credentials, destination_name="ducklake")
