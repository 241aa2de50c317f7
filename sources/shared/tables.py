"""Landing tables: their columns, how an API record becomes a row, how rows become Arrow.

A column that the vendor documents has a fixed type; a value of another type rejects its record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .values import BadRecord, DataType, converted

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]

REMOVED = "_clipmart_removed"
"""Marks a row that only says that its parent has no rows any more (dlt's hard_delete hint)."""


@dataclass(frozen=True, eq=False)
class Table:
    """A landing table, merged by `key`. If `parent` is set, reading a parent replaces its rows."""

    name: str
    key: tuple[str, ...]
    grain: str
    """What a row is."""
    documented: Mapping[str, tuple[DataType, str]]
    """Column → type and meaning."""
    parent: str | None = None
    stamped: frozenset[str] = frozenset({"observed_at"})
    """Columns that the source fills; a field of that name in a record is ignored."""
    columns: Mapping[str, DataType] = field(init=False)
    """Column → type."""

    def __post_init__(self) -> None:
        types = {name: kind for name, (kind, _) in self.documented.items()}
        object.__setattr__(self, "columns", types)

    def read(self, record: Mapping[str, Any]) -> Row:
        """A row: the documented columns, converted, and the undocumented fields as sent.

        Raises:
            BadRecord: the key is missing, or a documented field has another type.
        """
        row: Row = {}
        for name, value in record.items():
            kind = self.columns.get(name)
            if name in self.stamped:
                continue
            row[name] = value if kind is None else converted(name, kind, value)
        for name in self.key:
            if name not in self.stamped and not row.get(name):
                raise BadRecord(f"key: {name} is missing")
        return row

    def hints(self) -> dict[str, dict[str, Any]]:
        """dlt column hints, in new dicts each time, since dlt changes them."""
        hints: dict[str, dict[str, Any]] = {
            name: {"data_type": kind, "nullable": name not in self.key, "description": meaning}
            for name, (kind, meaning) in self.documented.items()
        }
        if self.parent:
            hints[REMOVED] = {"data_type": "bool", "nullable": True, "hard_delete": True}
        return hints

    def arrow(self, rows: list[Row], undocumented: Mapping[str, DataType]) -> pa.Table:
        """Rows as Arrow: every documented column, and the undocumented ones that hold a value."""
        import pyarrow as pa

        types: dict[str, DataType] = dict(self.columns)
        if self.parent:
            types[REMOVED] = "bool"
        seen = set().union(*rows) if rows else set()
        types.update({name: kind for name, kind in undocumented.items() if name in seen})
        fields = [
            pa.field(name, _arrow_type(kind), nullable=name not in self.key)
            for name, kind in types.items()
        ]
        columns = [pa.array([row.get(f.name) for row in rows], f.type) for f in fields]
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _arrow_type(kind: DataType) -> pa.DataType:
    import pyarrow as pa

    return {
        "text": pa.string(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "bool": pa.bool_(),
        "timestamp": pa.timestamp("us", "UTC"),
        "json": pa.string(),
    }[kind]
