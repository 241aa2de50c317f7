"""dlt's ducklake destination, over connections that find the extensions in their packages.

dlt opens some twenty connections a load; DuckDB checks an extension's signature at each, a second
in all. The packages were checked by hash when they were installed, so that is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
from dlt.common.configuration import configspec
from dlt.common.configuration.specs import AwsCredentialsWithoutDefaults
from dlt.common.configuration.specs.connection_string_credentials import ConnectionStringCredentials
from dlt.common.storages.configuration import FilesystemConfiguration
from dlt.destinations import ducklake
from dlt.destinations.impl.duckdb.configuration import DuckDbConnectionPool
from dlt.destinations.impl.ducklake.configuration import (
    DuckLakeClientConfiguration,
    DuckLakeCredentials,
)
from dlt.destinations.impl.ducklake.ducklake import DuckLakeClient

from .destination import AskedOnce, MergesByOneKeyAtATime
from .lake import CATALOGS, new_connection
from .settings import Lake


class _Connections(DuckDbConnectionPool):
    def borrow_conn(self, *_: Any, **__: Any) -> duckdb.DuckDBPyConnection:
        with self._conn_lock:
            con = new_connection()
            con.execute("SET TimeZone = 'UTC'")
            self._conn_borrows += 1
            return con


@configspec(init=False)
class LakeCredentials(DuckLakeCredentials):
    def on_resolved(self) -> None:
        self.conn_pool = _Connections(self, always_open_connection=True)


@configspec
class LakeConfiguration(DuckLakeClientConfiguration):
    credentials: LakeCredentials = None  # type: ignore[assignment]


class LakeClient(MergesByOneKeyAtATime, DuckLakeClient):
    pass


class LakeDestination(AskedOnce, ducklake):
    spec = LakeConfiguration
    client_class = LakeClient


def destination(lake: Lake) -> LakeDestination:
    """The landing lake as a destination."""
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
    return LakeDestination(
        LakeCredentials(
            "landing",
            metadata_schema=CATALOGS["landing"],
            catalog=ConnectionStringCredentials(lake.catalog.url),
            storage=storage,
        ),
        destination_name="ducklake",
    )
