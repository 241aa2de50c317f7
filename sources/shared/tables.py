"""Landing tables: their columns, how an API record becomes a row, how rows become Arrow.

A column the vendor documents has a fixed type; a value of another type rejects its record. A field
nobody documented becomes a column of its own type: BOOLEAN, DOUBLE for every number, VARCHAR (text
that looks like a time stays text), JSON for objects and lists. Its type is the first one seen.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

DataType = Literal["text", "bigint", "double", "bool", "timestamp", "json"]
Row = dict[str, Any]

REMOVED = "_clipmart_removed"
"""Marks a row that only says: this parent has no rows any more (dlt's hard_delete hint)."""

PRIVATE = ("_dlt_", "_clipmart_")
"""How the names of book-keeping columns begin, dlt's and ours."""

EXTRA = "extra"
"""JSON column for undocumented fields beyond `MAX_UNDOCUMENTED`: an object, field to value."""

MAX_UNDOCUMENTED = 100
"""Most undocumented columns of a table: each costs every later load and build time and memory."""

MAX_NAME_CHARACTERS = 200
MAX_NOTES = 100
"""Most notes about the fields of one record."""

MAX_RECORDS = 10_000
"""Most records that are read of one answer."""

MAX_DEPTH = 100
"""Most lists and objects inside each other in an undocumented field. Python's own limit, some 1000,
depends on how deep the calls are, so what lands could not always be read again."""

MAX_NUMBER = 1e15
"""Documented numbers stay below it: no score, length, count or balance is near, and sums of them
stay exact to the unit."""

_DRIFT_TYPES = frozenset({"text", "double", "bool", "json"})
_NOT_TEXT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format, surrogate, line separators
_NOT_IN_A_NAME = str.maketrans("'\"▶", "___")


@dataclass(frozen=True, eq=False)
class Table:
    """A landing table: merged by `key`; where `parent` is set, reading it replaces its rows."""

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, DataType]
    parent: str | None = None
    stamped: frozenset[str] = frozenset({"observed_at"})
    """Columns that we fill; a field of that name in a record is not read."""

    def read(self, record: Mapping[str, Any]) -> Row:
        """A row of the documented columns, converted, and the undocumented fields as they came.

        Raises:
            BadRecord: the key is missing, or a documented field has another type.
        """
        row: Row = {}
        for name, value in record.items():
            kind = self.columns.get(name)
            if name in self.stamped:
                continue
            row[name] = value if kind is None else _converted(name, kind, value)
        for name in self.key:
            if name not in self.stamped and not row.get(name):
                raise BadRecord(f"key: {name} is missing")
        return row

    def hints(self) -> dict[str, dict[str, Any]]:
        """dlt column hints; new dicts each time, since dlt writes into them."""
        hints: dict[str, dict[str, Any]] = {
            name: {"data_type": kind, "nullable": name not in self.key}
            for name, kind in self.columns.items()
        }
        if self.parent:
            hints[REMOVED] = {"data_type": "bool", "nullable": True, "hard_delete": True}
        return hints

    def arrow(self, rows: list[Row], unknown: Mapping[str, DataType]) -> pa.Table:
        """Rows as Arrow: every documented column, and the undocumented ones that hold a value."""
        import pyarrow as pa

        types: dict[str, DataType] = dict(self.columns)
        if self.parent:
            types[REMOVED] = "bool"
        seen = set().union(*rows) if rows else set()
        types.update({name: kind for name, kind in unknown.items() if name in seen})
        fields = [
            pa.field(name, _arrow_type(kind), nullable=name not in self.key)
            for name, kind in types.items()
        ]
        columns = [pa.array([row.get(f.name) for row in rows], f.type) for f in fields]
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))


class BadRecord(Exception):
    """A record that cannot become a row; the text is its reason in `rejected_records`."""


@dataclass(frozen=True)
class Rejected:
    """What did not land, and why. `field` means one value of a row that did."""

    source: str
    endpoint: str
    id: str | None
    reason: str
    payload: Any
    seen_at: datetime

    @classmethod
    def child(
        cls, source: str, table: Table, parent_id: str, reason: str, record: Any, seen_at: datetime
    ) -> Rejected:
        """A record of a parent's answer; its payload says whose it is, which a replay must know."""
        fields = record if isinstance(record, dict) else {"record": record}
        id_ = fields.get("id") if isinstance(fields.get("id"), str) else parent_id
        payload = {**fields, str(table.parent): parent_id}
        return cls(source, table.name, id_, reason, payload, seen_at)

    def row(self) -> Row:
        """A row of `clipmart.rejected_records`; the same rejection twice is one row."""
        try:
            # A field that could land is two levels deeper in here.
            payload = None if self.payload is None else _json(self.payload, MAX_DEPTH + 2)
        except ValueError:
            payload = '"nested too deeply"'
        parts = (self.source, self.endpoint, self.id, self.reason, payload)
        return {
            "record_id": digest(*parts),
            "source": self.source,
            "endpoint": self.endpoint,
            "id": None if self.id is None else _encodable(self.id),
            "reason": _encodable(self.reason),
            "payload": payload,
            "seen_at": self.seen_at,
        }


@dataclass
class Drift:
    """The types of undocumented columns, as landed so far; rows are converted to fit them."""

    known: dict[str, dict[str, DataType]] = field(default_factory=dict)
    """table → column → type"""
    max_columns: int = MAX_UNDOCUMENTED
    """Most undocumented columns of a table; further fields go into `EXTRA`."""

    @classmethod
    def of_schema(cls, schema: Any, tables: Iterable[Table]) -> Drift:
        """The undocumented columns that a dlt schema already knows."""
        landed = schema.tables
        return cls(
            {
                table.name: {
                    name: column["data_type"]
                    for name, column in landed.get(table.name, {}).get("columns", {}).items()
                    if name not in table.columns and column.get("data_type") in _DRIFT_TYPES
                }
                for table in tables
            }
        )

    def columns(self, table: Table) -> dict[str, DataType]:
        return self.known.setdefault(table.name, {})

    def fit(self, table: Table, row: Row) -> list[tuple[str, Any]]:
        """Convert a row's undocumented fields in place.

        Returns:
            The (field, value) pairs that do not fit their column; they land as NULL. If fields go
            into `EXTRA`, also (EXTRA, how many columns there may be).
        """
        unfit: list[tuple[str, Any]] = []
        undocumented = [name for name in row if name not in table.columns and name != REMOVED]
        if not undocumented:
            return unfit
        columns = self.columns(table)
        # Databases do not tell cases apart, some by Unicode's rules.
        spelled = {name.casefold(): name for name in (*table.columns, *columns)}
        beyond: dict[str, Any] = {}
        for name in undocumented:
            value = row.pop(name)
            if value is None:
                continue
            column = name.translate(_NOT_IN_A_NAME)
            column = spelled.get(column.casefold(), column)
            if column in table.columns or column in row or not _is_fit(column):
                unfit.append((name, value))
                continue
            try:
                kind = _kind(value)
                fitting = _extra(value, kind)
            except (ValueError, OverflowError):
                unfit.append((name, value))
                continue
            if column not in columns and (
                len(columns) >= self.max_columns or column.casefold() == EXTRA
            ):
                beyond[name] = value
                continue
            if columns.setdefault(column, kind) != kind:
                unfit.append((name, value))
                continue
            spelled[column.casefold()] = column
            row[column] = fitting
        if beyond:
            if columns.setdefault(EXTRA, "json") == "json":
                row[EXTRA] = _json(beyond, MAX_DEPTH + 1)
                unfit.append((EXTRA, self.max_columns))
            else:
                unfit += beyond.items()
        return unfit


def _is_fit(column: str) -> bool:
    """Whether a field's name can be a column's in any destination."""
    return (
        column != ""
        and column == column.strip()
        and len(column) <= MAX_NAME_CHARACTERS
        and ";" not in column
        and not any(unicodedata.category(letter) in _NOT_TEXT for letter in column)
        and not column.casefold().startswith(PRIVATE)
    )


def too_many(records: list[Any]) -> str:
    """The reason under which what is beyond `MAX_RECORDS` is rejected, as a whole."""
    return f"size: the answer has {len(records)} records; the first {MAX_RECORDS} were read"


def digest(*parts: Any) -> str:
    """A key made of its parts: SHA-256 over their JSON, so that no two lists of parts collide."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def instant(value: str) -> datetime:
    """An ISO 8601 instant in UTC; one without an offset is UTC.

    Raises:
        ValueError: it is none.
    """
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(value) from error


def data_type(duckdb_type: str) -> DataType:
    """The type of a landed undocumented column, read back from the database's own name for it."""
    types: dict[str, DataType] = {"BOOLEAN": "bool", "DOUBLE": "double", "JSON": "json"}
    return types.get(duckdb_type, "text")


def _converted(name: str, kind: DataType, value: Any) -> Any:
    if value is None:
        return None
    try:
        if kind == "text" and isinstance(value, str):
            value.encode()
            return value
        if kind == "bigint" and isinstance(value, int | float) and not isinstance(value, bool):
            if value == int(value) and abs(value) < MAX_NUMBER:
                return int(value)
        elif kind == "double" and isinstance(value, int | float) and not isinstance(value, bool):
            if abs(number := _finite(value)) < MAX_NUMBER:
                return number
        elif kind == "timestamp" and isinstance(value, str):
            return instant(value)
        elif kind == "bool" and isinstance(value, bool):
            return value
        elif kind == "json" and isinstance(value, list | dict):
            return _json(value)
    except (ValueError, OverflowError):
        pass
    raise BadRecord(f"type: {name} is not {_IN_WORDS[kind]}")


_IN_WORDS: dict[DataType, str] = {
    "text": "text",
    "bigint": "a whole number",
    "double": "a number",
    "timestamp": "an ISO 8601 instant",
    "bool": "true or false",
    "json": "a list or an object",
}


def _kind(value: Any) -> DataType:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "double"
    return "text" if isinstance(value, str) else "json"


def _extra(value: Any, kind: DataType) -> Any:
    if kind == "double":
        return _finite(value)
    if kind == "json":
        return _json(value)
    if kind == "text":
        value.encode()
    return value


def _finite(value: float) -> float:
    number = float(value)
    if number - number != 0:
        raise ValueError("not finite")
    return number


def _json(value: Any, depth: int = MAX_DEPTH) -> str:
    """JSON text that every reader accepts: half a surrogate pair becomes a question mark.

    Raises:
        ValueError: it is nested more than `depth` levels deep.
    """
    try:
        text = _encodable(json.dumps(value, ensure_ascii=False))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if text.count("[") + text.count("{") > depth and _is_deeper(value, depth):
        raise ValueError("nested too deeply")
    return text


def _is_deeper(value: Any, depth: int) -> bool:
    inside = [value]
    for _ in range(depth):
        inside = [
            part
            for each in inside
            for part in (each.values() if isinstance(each, dict) else each)
            if isinstance(part, list | dict)
        ]
    return bool(inside)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


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


REJECTED_RECORDS = Table(
    "rejected_records",
    ("record_id",),
    {
        "record_id": "text",
        "source": "text",
        "endpoint": "text",
        "id": "text",
        "reason": "text",
        "payload": "json",
        "seen_at": "timestamp",
    },
)


@dataclass
class Chunk:
    """Rows by table, fitted to their columns, and what was refused: one load's worth."""

    drift: Drift
    rows: dict[Table, list[Row]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)

    def add(self, table: Table, row: Row) -> list[tuple[str, Any]]:
        """Add a row; returns the (field, value) pairs that did not fit, as `Drift.fit`."""
        unfit = self.drift.fit(table, row)
        self.rows.setdefault(table, []).append(row)
        return unfit

    def add_record(self, source: str, table: Table, row: Row, id_: str, seen_at: datetime) -> None:
        """Add the row of an API's record, and note what of it did not fit."""

        def note(payload: Row, id_: str | None = id_) -> None:
            self.rejected.append(Rejected(source, table.name, id_, "field", payload, seen_at))

        unfit = self.add(table, row)
        for name, value in unfit[:MAX_NOTES]:
            if name == EXTRA and value == self.drift.max_columns:
                # Once a table, so it names no record.
                note({"column": EXTRA, "columns": value}, id_=None)
            else:
                note({"column": name, "value": value})
        if len(unfit) > MAX_NOTES:
            note({"column": None, "more": len(unfit) - MAX_NOTES})

    def of(self, table: Table) -> list[Row]:
        if table is REJECTED_RECORDS:
            return list({r["record_id"]: r for r in (r.row() for r in self.rejected)}.values())
        return self.rows.get(table, [])


def resource_hints(table: Table) -> dict[str, Any]:
    """Arguments of `dlt.resource` and `dlt.transformer` for a table."""
    return {
        "name": table.name,
        "primary_key": table.key,
        "merge_key": table.parent,
        # delete-insert: upsert keeps both rows when a key comes twice in one load.
        "write_disposition": {"disposition": "merge", "strategy": "delete-insert"},
        "columns": table.hints(),
        "schema_contract": {"tables": "evolve", "columns": "evolve", "data_type": "freeze"},
    }


def arrow_item(table: Table, rows: list[Row], drift: Drift) -> Any:
    """Rows as Arrow with hints for undocumented columns; an empty one still makes its table."""
    unknown = drift.columns(table)
    return hinted(table.arrow(rows, unknown), unknown)


def hinted(item: pa.Table, unknown: Mapping[str, DataType]) -> Any:
    """An Arrow table with dlt's hints for its undocumented columns."""
    import dlt

    columns: Any = {n: {"data_type": k} for n, k in unknown.items() if n in item.column_names}
    return dlt.mark.with_hints(item, dlt.mark.make_hints(columns=columns)) if columns else item


def with_drift(parent: Any, table: Table) -> Any:
    """The dlt transformer that lands one table of its parent's chunks."""
    import dlt

    def rows(made: Chunk) -> Any:
        yield arrow_item(table, made.of(table), made.drift)

    return dlt.transformer(rows, data_from=parent, **resource_hints(table))


def resource(table: Table, item: Any) -> Any:
    """The dlt resource that lands an Arrow table at hand."""
    import dlt

    return dlt.resource([item], **resource_hints(table))
