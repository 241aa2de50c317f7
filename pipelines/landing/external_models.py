"""`sql/external_models.yaml`: the landing tables, declared for SQLMesh.

`python -m pipelines.landing.external_models`, a part of `make models`, writes it from the tables
that the sources and the service records declare.
"""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.service import LANDING_SCHEMAS, SEQ
from sources.shared.tables import Table
from sources.shared.values import DataType

from .tables import tables_of

FILE = Path(__file__).parents[2] / "sql" / "external_models.yaml"
_TYPES: dict[DataType, str] = {
    "text": "VARCHAR",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "timestamp": "TIMESTAMPTZ",
    "bool": "BOOLEAN",
    "json": "JSON",
}


def external_models() -> str:
    """The file's text."""
    head = (
        "# The landing tables, which sources/ and pipelines/service declare; `make models` writes\n"
        "# this file. A table or column that has not landed yet is created empty, of these types.\n"
        "# Descriptions become comments. Scores, seconds and credits are DOUBLE, instants UTC.\n"
    )
    models = [_model(schema, table) for schema in LANDING_SCHEMAS for table in tables_of(schema)]
    return "\n".join([head, *models])


def _model(schema: str, table: Table) -> str:
    columns = {name: kind for name, kind in table.documented.items() if name != SEQ}
    grain = table.key[0] if len(table.key) == 1 else f"({', '.join(table.key)})"
    return "".join(
        (
            f"- name: {schema}.{table.name}\n",
            f"  grain: {grain}\n",
            f"  description: {json.dumps(table.grain)}\n",
            "  columns:\n",
            *(f"    {name}: {_TYPES[kind]}\n" for name, (kind, _) in columns.items()),
            "  column_descriptions:\n",
            *(f"    {name}: {json.dumps(meaning)}\n" for name, (_, meaning) in columns.items()),
        )
    )


if __name__ == "__main__":
    FILE.write_text(external_models())
