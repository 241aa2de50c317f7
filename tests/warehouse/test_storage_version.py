"""Files are written in the format that DuckDB reads from 1.1 on, whichever version writes them."""

from __future__ import annotations

import duckdb

from tests.support.clipmart import Clipmart


def storage_version(con: duckdb.DuckDBPyConnection) -> str:
    """Of the current database, as DuckDB reports it."""
    row = con.execute(
        "SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal"
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_the_landing_store_and_the_published_file_open_in_duckdb_1_1(synced: Clipmart) -> None:
    """A file keeps the format that it was created in."""
    for file in ("state/landing.duckdb", "warehouse.duckdb"):
        with duckdb.connect(str(synced.data_dir / file), read_only=True) as con:
            assert storage_version(con).startswith("v1.0"), file
