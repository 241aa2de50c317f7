"""The landing tables that SQL relies on are the ones the sources land."""

from __future__ import annotations

from pathlib import Path

import duckdb
import yaml

from pipelines.landing.tables import tables_of
from sandbox import Sandbox
from tests.support.clipmart import Clipmart

MODELS = yaml.safe_load(Path("sql/external_models.yaml").read_text())
DECLARED = {model["name"]: model["columns"] for model in MODELS}
DUCKDB = {
    "text": "VARCHAR",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "timestamp": "TIMESTAMPTZ",
    "json": "JSON",
    "bool": "BOOLEAN",
}


def test_the_declaration_and_the_tables_agree() -> None:
    ours = {
        f"{schema}.{table.name}": {
            column: DUCKDB[kind]
            for column, kind in table.columns.items()
            if not column.startswith("_clipmart_")
        }
        for schema in ("klipit", "clipus", "clipmart")
        for table in tables_of(schema)
    }
    assert ours == DECLARED


def test_the_declared_grain_is_the_key_of_the_merge() -> None:
    """What the dictionary calls a table's key decides which row is replaced."""
    merged_by = {
        f"{schema}.{table.name}": ", ".join(table.key)
        for schema in ("klipit", "clipus", "clipmart")
        for table in tables_of(schema)
    }
    assert {model["name"]: model["grain"].strip("()") for model in MODELS} == merged_by


def test_a_sandbox_load_makes_every_declared_column(
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
