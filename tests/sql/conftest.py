"""Warehouses built once and read by many tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from landing_data import NOW, Rows, a_month_of_use, write_landing

from pipelines.build import build
from pipelines.warehouse import attach


@pytest.fixture(scope="session")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One SQLMesh cache for the session; every build is new all the same."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="session")
def landed() -> Rows:
    return a_month_of_use(seed=20260408)


@pytest.fixture(scope="session")
def warehouse(landed: Rows, work_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("month")
    target = folder / "warehouse.duckdb"
    build(write_landing(folder / "landing.duckdb", landed), target, work_dir=work_dir)
    return target


@pytest.fixture(scope="session")
def empty_warehouse(work_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("empty") / "warehouse.duckdb"
    build(None, target, work_dir=work_dir)
    return target


@pytest.fixture
def con(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with attach(warehouse, now=NOW) as connection:
        yield connection
