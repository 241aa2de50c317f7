"""The landing tables that SQL relies on are those that the sources land."""

from __future__ import annotations

from pathlib import Path

import duckdb
import yaml

from pipelines.landing.external_models import external_models
from pipelines.service import KLIPIT
from sandbox import Sandbox
from sources.klipit.tables import CLIPS
from tests.support.clipmart import Clipmart

FILE = Path("sql/external_models.yaml")
DECLARED = {model["name"]: model["columns"] for model in yaml.safe_load(FILE.read_text())}


def test_the_sql_project_knows_the_tables_that_the_sources_declare() -> None:
    """`make models` was run after the last change of a column or its meaning."""
    assert external_models() == FILE.read_text()


def test_a_columns_meaning_is_declared_once_and_reaches_dlt() -> None:
    """Destinations with comments get it from dlt's hint."""
    hints = CLIPS.hints()
    assert hints["start_seconds"]["description"] == CLIPS.documented["start_seconds"][1]
    assert all(meaning for table in KLIPIT.api.all for _, meaning in table.documented.values())


def test_a_sandbox_load_creates_every_declared_column(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    sandbox.add_job("job_1", clips=1)
    sandbox.add_campaign("c-1", status="rendering", videos=[{"id": "v1"}])
    landing_only("track", "klipit", "job_1")
    landing_only("track", "clipus", "c-1")
    landing_only("sync")

    landed: dict[str, dict[str, str]] = {}
    for schema, table, column, kind in landing_only.rows(
        """SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns()
           WHERE schema_name IN ('klipit', 'clipus', 'clipmart')"""
    ):
        landed.setdefault(f"{schema}.{table}", {})[column] = kind
    for table, columns in DECLARED.items():
        types = {name: duckdb.sqltype(kind) for name, kind in columns.items()}
        assert {n: duckdb.sqltype(landed[table][n]) for n in types} == types
