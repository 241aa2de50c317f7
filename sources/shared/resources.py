"""dlt resources: one for each landing table, fed by chunks. Imports dlt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dlt
import pyarrow as pa

from .chunks import Chunk
from .drift import Drift
from .tables import Row, Table
from .values import DataType


def resources(chunks: Callable[[], Iterator[Chunk]], *tables: Table) -> list[Any]:
    """One resource for each table, and the one that feeds them, which lands nothing itself.

    Args:
        chunks: starts the requests; each chunk lands in all the tables.
        tables: those without rows in the first chunk are created empty.
    """
    reads = dlt.resource(chunks, name="reads", selected=False)
    return [
        reads,
        *(
            dlt.transformer(_rows_of(table), data_from=reads, **resource_hints(table))
            for table in tables
        ),
    ]


def chunk_resources(chunk: Chunk) -> list[Any]:
    """The same resources over a chunk at hand, one for each table that has rows in it."""
    return [dlt.resource(_rows_of(table)(chunk), **resource_hints(table)) for table in chunk.rows]


def resource(table: Table, item: Any) -> Any:
    """The resource that lands one Arrow table."""
    return dlt.resource([item], **resource_hints(table))


def resource_hints(table: Table) -> dict[str, Any]:
    """Arguments of `dlt.resource` and `dlt.transformer` for a table."""
    return {
        "name": table.name,
        "primary_key": table.key,
        "merge_key": table.parent,
        # delete-insert: upsert leaves both rows if a key occurs twice in one load.
        "write_disposition": {"disposition": "merge", "strategy": "delete-insert"},
        "columns": table.hints(),
        "schema_contract": {"tables": "evolve", "columns": "evolve", "data_type": "freeze"},
    }


def arrow_item(table: Table, rows: list[Row], drift: Drift) -> Any:
    """Rows as Arrow with hints for undocumented columns; no rows still create the table."""
    undocumented = drift.columns(table)
    return hinted(table.arrow(rows, undocumented), undocumented)


def hinted(item: pa.Table, undocumented: Mapping[str, DataType]) -> Any:
    """An Arrow table with dlt's hints for its undocumented columns."""
    columns: Any = {n: {"data_type": k} for n, k in undocumented.items() if n in item.column_names}
    return dlt.mark.with_hints(item, dlt.mark.make_hints(columns=columns)) if columns else item


def _rows_of(table: Table) -> Callable[[Chunk], Iterator[Any]]:
    def rows(chunk: Chunk) -> Iterator[Any]:
        yield arrow_item(table, chunk.of(table), chunk.drift)

    return rows
