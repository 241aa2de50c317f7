"""Two published stores, created once: a month of use with hostile texts, and an empty one."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from pipelines.settings import Settings
from pipelines.warehouse.publish import publish
from tests.support.clipmart import Clipmart, command_line
from tests.support.landing_data import write_landing
from tests.support.page_data import NOW, Rows, rows


@pytest.fixture(scope="session")
def landed() -> Rows:
    return rows()


@pytest.fixture(scope="session")
def month(landed: Rows, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(data_dir=tmp_path_factory.mktemp("month") / "data", pinned_now=NOW)
    settings.state_dir.mkdir(mode=0o700, parents=True)
    write_landing(settings.landing, landed)
    publish(settings)
    return settings


@pytest.fixture(scope="session")
def empty(month: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Every row taken out of a copy, which saves another build."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("empty"), pinned_now=NOW)
    shutil.copyfile(month.warehouse, settings.warehouse)
    with duckdb.connect(str(settings.warehouse)) as con:
        for schema, table in con.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE table_name <> 'publication'"
        ).fetchall():
            con.execute(f"DELETE FROM {schema}.{table}")
    return settings


@pytest.fixture
def on_month(month: Settings, tmp_path: Path) -> Clipmart:
    return command_line(month, tmp_path)


@pytest.fixture
def on_empty(empty: Settings, tmp_path: Path) -> Clipmart:
    return command_line(empty, tmp_path)
