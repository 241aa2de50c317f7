"""Warehouses built once and read by many tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.warehouse.build import build
from pipelines.warehouse.read import attach
from tests.support.landing_data import NOW, Rows, a_month_of_use, write_landing


@pytest.fixture(scope="session")
def landed() -> Rows:
    return a_month_of_use(seed=20260408)


@pytest.fixture(scope="session")
def warehouse(landed: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("month")
    target = folder / "warehouse.duckdb"
    build(write_landing(folder / "landing.duckdb", landed), target)
    return target


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("empty") / "warehouse.duckdb"
    build(None, target)
    return target


@pytest.fixture
def con(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with attach(warehouse, now=NOW) as connection:
        yield connection
