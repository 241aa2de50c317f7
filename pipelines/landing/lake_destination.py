"""dlt's ducklake destination, over connections that load the extensions from their packages.

dlt opens some twenty connections a load; DuckDB would check the extensions' signatures for each,
two seconds in total, so they are checked once a process. What dlt attaches holds no password.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import duckdb
from dlt.common.configuration import configspec
from dlt.common.configuration.specs import AwsCredentialsWithoutDefaults
from dlt.common.configuration.specs.base_configuration import NotResolved
from dlt.common.configuration.specs.connection_string_credentials import ConnectionStringCredentials
from dlt.common.storages.configuration import FilesystemConfiguration
from dlt.destinations import ducklake
from dlt.destinations.impl.duckdb.configuration import DuckDbConnectionPool
from dlt.destinations.impl.ducklake.configuration import (
    DuckLakeClientConfiguration,
    DuckLakeCredentials,
)
from dlt.destinations.impl.ducklake.ducklake import DuckLakeClient

from pipelines.settings import Lake
from pipelines.warehouse.lake import CATALOGS, attach_statement, new_connection

from .destination import CachedCapabilities, SeparateKeyMerge


class _Connections(DuckDbConnectionPool):
    lake: Lake

    def borrow_conn(self, *_: Any, **__: Any) -> duckdb.DuckDBPyConnection:
        with self._conn_lock:
            con = new_connection(self.lake)
            con.execute("SET TimeZone = 'UTC'")
            self._conn_borrows += 1
            return con


@configspec(init=False)
class LakeCredentials(DuckLakeCredentials):
    """dlt's credentials, with the lake's own connections."""

    lake: Annotated[Any, NotResolved()] = None

    def on_resolved(self) -> None:
        """Replace dlt's pool of connections."""
        self.conn_pool = _Connections(self, always_open_connection=True)
        self.conn_pool.lake = self.lake


@configspec
class LakeConfiguration(DuckLakeClientConfiguration):
    """dlt's configuration, with these credentials."""

    credentials: LakeCredentials = None  # type: ignore[assignment]


class LakeClient(SeparateKeyMerge, DuckLakeClient):
    """dlt's client, which attaches the lake by our statement and merges by our keys."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        credentials: Any = self.config.credentials
        attach = attach_statement(credentials.lake, "landing")
        self.sql_client._attach_statement = attach  # noqa: SLF001 - dlt has no setting for it


class LakeDestination(CachedCapabilities, ducklake):
    """dlt's ducklake destination with these changes."""

    spec = LakeConfiguration
    client_class = LakeClient


def destination(lake: Lake) -> LakeDestination:
    """The landing lake as a dlt destination."""
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
    credentials.lake = lake
    return LakeDestination(credentials, destination_name="ducklake")
