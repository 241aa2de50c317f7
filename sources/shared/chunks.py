"""Chunks: the answers for some ids, as rows by table and rejected records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .answers import Answer
from .drift import EXTRA, Drift
from .tables import REMOVED, Row, Table
from .values import MAX_DEPTH, BadRecord, digest, encodable, json_text

MAX_NOTES = 100
"""Most notes about the fields of one record."""

MAX_RECORDS = 10_000
"""Most records that are read of one answer."""


@dataclass(frozen=True)
class Rejected:
    """What did not land, and why. The reason `field` means one value of a row that did land."""

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
        """A record in a parent's answer; its payload has the parent's id, which a replay needs."""
        fields = record if isinstance(record, dict) else {"record": record}
        id_ = fields.get("id") if isinstance(fields.get("id"), str) else parent_id
        payload = {**fields, str(table.parent): parent_id}
        return cls(source, table.name, id_, reason, payload, seen_at)

    def row(self) -> Row:
        """A row of `rejected_records`; the same rejection twice is one row."""
        try:
            # In here, a field that could land is nested two levels deeper.
            payload = None if self.payload is None else json_text(self.payload, MAX_DEPTH + 2)
        except ValueError:
            payload = '"nested too deeply"'
        parts = (self.source, self.endpoint, self.id, self.reason, payload)
        return {
            "record_id": digest(*parts),
            "source": self.source,
            "endpoint": self.endpoint,
            "id": None if self.id is None else encodable(self.id),
            "reason": encodable(self.reason),
            "payload": payload,
            "seen_at": self.seen_at,
        }


REJECTED_RECORDS = Table(
    "rejected_records",
    ("record_id",),
    "One row per record that could not be landed as the API sent it; the whole record is saved.",
    {
        "record_id": ("text", "Key of the record."),
        "source": ("text", "Name of the source, such as klipit."),
        "endpoint": ("text", "Table that the record belongs to, such as jobs or clips."),
        "id": ("text", "Job or campaign id that it belongs to; NULL if there is none."),
        "reason": ("text", "Why it did not land; `field`: only one undocumented field did not."),
        "payload": ("json", "The record as the API sent it."),
        "seen_at": ("timestamp", "When it was read (UTC instant)."),
    },
)


@dataclass
class Chunk:
    """Rows by table, fitted to their columns, and rejected records: what one load lands."""

    drift: Drift
    rows: dict[Table, list[Row]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)

    def add(self, table: Table, row: Row) -> list[tuple[str, Any]]:
        """Add a row; returns the (field, value) pairs that did not fit, as `Drift.fit` does."""
        unfit = self.drift.fit(table, row)
        self.rows.setdefault(table, []).append(row)
        return unfit

    def add_record(self, source: str, table: Table, row: Row, id_: str, seen_at: datetime) -> None:
        """Add the row of an API's record, and note its fields that did not fit."""

        def note(payload: Row, id_: str | None = id_) -> None:
            self.rejected.append(Rejected(source, table.name, id_, "field", payload, seen_at))

        unfit = self.add(table, row)
        for name, value in unfit[:MAX_NOTES]:
            if name == EXTRA and value == self.drift.max_columns:
                # Noted once for each table, so it names no record.
                note({"column": EXTRA, "columns": value}, id_=None)
            else:
                note({"column": name, "value": value})
        if len(unfit) > MAX_NOTES:
            note({"column": None, "more": len(unfit) - MAX_NOTES})

    def of(self, table: Table) -> list[Row]:
        """The rows of a table, `REJECTED_RECORDS` included."""
        rows = self.rows.get(table, [])
        if table is REJECTED_RECORDS:
            by_key = {row["record_id"]: row for row in (r.row() for r in self.rejected)}
            return [*rows, *by_key.values()]
        return rows


@dataclass(frozen=True)
class ApiTables:
    """The landing tables of one API, by what each is for."""

    source: str
    """The API's name in `rejected_records`."""
    records: Table
    """What an id identifies: jobs or campaigns. The first column of its key is the id."""
    children: Table
    """What a record consists of: clips or videos. `parent` is the column of the record's id."""
    observations: Table
    """Changes of a record's status."""
    account: Table
    """What the API reports of the account or plan."""
    reads: Table | None = None
    """When children were read, if they need a request of their own."""
    child_observations: Table | None = None
    """Changes of a child's status."""
    child_id: str = "id"
    """The column of a child's id in `child_observations`."""
    wrapping: frozenset[str] = frozenset()
    """Fields of an answer that are around the record, not part of it."""

    @property
    def all(self) -> tuple[Table, ...]:
        """Every table, in the order in which they land."""
        tables = (
            *(self.records, self.children, self.reads),
            *(self.observations, self.child_observations, self.account),
        )
        return tuple(table for table in tables if table is not None)

    @property
    def parent(self) -> str:
        """The column that holds a record's id in the other tables."""
        return str(self.children.parent)

    def record(self, body: Mapping[str, Any], id_: str) -> Row:
        """The record in an answer's body.

        Raises:
            BadRecord: as `Table.read`, or the record has another id.
        """
        row = self.records.read({n: v for n, v in body.items() if n not in self.wrapping})
        key = self.records.key[0]
        if row[key] != id_:
            raise BadRecord(f"key: {key} is another {self.records.name.removesuffix('s')}'s")
        return row


@dataclass
class Read:
    """The answers to one id's requests: rows to land, and records that cannot land."""

    id: str
    observed_at: datetime
    record: Row | None = None
    children: list[Row] | None = None
    """None: not requested, or not in the answer. Empty: there are none; landed ones are deleted."""
    exists: bool = True
    """False if the API answered 404."""
    ok: bool = True
    """Whether the (last) answer was 2xx."""
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The record's status in lower case; "none" if there is none."""
        return str((self.record or {}).get("status")).lower()

    def reject(self, tables: ApiTables, table: Table, reason: str, payload: Any) -> None:
        """Record that an answer, as a whole, has no rows of a table."""
        self.rejected.append(
            Rejected(tables.source, table.name, self.id, reason, payload, self.observed_at)
        )

    def take_answer(
        self, tables: ApiTables, answer: Answer, key: str, fits: Callable[[Any], bool], shape: str
    ) -> None:
        """The record of an answer as a row, or the reason why it has none as a rejection.

        Args:
            key: the API key, which a refusal may repeat.
            fits: whether a 2xx body has the right outer shape.
            shape: what is wrong with a body of another shape.
        """
        self.ok, self.exists = answer.status < 400, answer.status != 404
        if not self.ok:
            self.reject(tables, tables.records, answer.refusal_reason(key), answer.body)
        elif not fits(answer.body):
            self.reject(tables, tables.records, answer.wrong_shape(shape), answer.body)
        else:
            self.take_record(tables, answer.body)

    def take_record(self, tables: ApiTables, body: Any) -> None:
        """The answer's record as a row, or as a rejected one."""
        try:
            self.record = {**tables.record(body, self.id), "observed_at": self.observed_at}
        except BadRecord as error:
            self.reject(tables, tables.records, str(error), body)

    def take_children(self, tables: ApiTables, records: list[Any]) -> None:
        """The answer's children as rows; a bad one is rejected without the others."""
        table, rows = tables.children, dict[str, Row]()
        if len(records) > MAX_RECORDS:
            reason = (
                f"size: the answer has {len(records)} records; the first {MAX_RECORDS} were read"
            )
            self.reject(tables, table, reason, None)
        for record in records[:MAX_RECORDS]:
            try:
                if not isinstance(record, dict):
                    kind = table.name.removesuffix("s")
                    raise BadRecord(f"shape: the {kind} is not an object")
                row = table.read(record)
                if row["id"] in rows:
                    raise BadRecord("key: id is twice in one answer")
            except BadRecord as error:
                self.rejected.append(
                    Rejected.child(
                        tables.source, table, self.id, str(error), record, self.observed_at
                    )
                )
                continue
            rows[row["id"]] = {**row, tables.parent: self.id, "observed_at": self.observed_at}
        self.children = list(rows.values())


@dataclass(frozen=True)
class Seen:
    """What has already landed for the ids of a chunk."""

    status: Mapping[str, str] = field(default_factory=dict)
    """id → status last observed."""
    child_status: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(id, child's id) → status last observed."""
    child_parents: Mapping[str, str] = field(default_factory=dict)
    """Child's id → id of its record, if a child's id alone is its key."""


def chunk_of(
    tables: ApiTables, reads: Iterable[Read], drift: Drift, seen: Seen | None = None
) -> Chunk:
    """The answers for some ids as rows by table.

    Args:
        drift: types of undocumented columns; new ones are added to it.
        seen: what has landed for them; None to record no observations.
    """
    chunk = Chunk(drift)
    landed = seen or Seen()
    parents = dict(landed.child_parents)
    for read in reads:
        if read.exists or landed.status.get(read.id) is None:
            chunk.rejected += read.rejected
        if read.record is not None:
            chunk.add_record(tables.source, tables.records, read.record, read.id, read.observed_at)
        if read.children is not None:
            _add_children(chunk, tables, read, parents)
        if seen is not None:
            _observe(chunk, tables, read, seen)
    return chunk


def _add_children(chunk: Chunk, tables: ApiTables, read: Read, parents: dict[str, str]) -> None:
    table, landing = tables.children, list[Row]()
    for child in read.children or []:
        # If a child's id alone is its key, the child must not move from one record to another.
        other = read.id if tables.parent in table.key else parents.setdefault(child["id"], read.id)
        if other == read.id:
            landing.append(child)
            continue
        reason = f"key: id is already that of a {table.name.removesuffix('s')} of {other}"
        record = {name: value for name, value in child.items() if name not in table.stamped}
        chunk.rejected.append(
            Rejected.child(tables.source, table, read.id, reason, record, read.observed_at)
        )
    for child in landing:
        id_ = "/".join(child[name] for name in table.key)
        chunk.add_record(tables.source, table, child, id_, read.observed_at)
    if not landing:
        removal = {"id": read.id, tables.parent: read.id, REMOVED: True}
        chunk.add(table, {**removal, "observed_at": read.observed_at})
    if tables.reads is not None:
        # Counts the answer's own records, whichever of them land.
        count = len(read.children or []) + sum(
            rejected.endpoint == table.name and rejected.reason != "field"
            for rejected in read.rejected
        )
        row = {tables.parent: read.id, "observed_at": read.observed_at, table.name: count}
        chunk.add(tables.reads, row)


def _observe(chunk: Chunk, tables: ApiTables, read: Read, seen: Seen) -> None:
    """Add a row for each status that differs from the one last observed."""
    at = read.observed_at
    status = read.record.get("status") if read.record else None if read.exists else "not_found"
    last = seen.status.get(read.id)
    if status is not None and status != last and not (status == "not_found" and last is None):
        key = digest(read.id, status, at.isoformat())
        row = {"observation_id": key, tables.parent: read.id, "status": status, "observed_at": at}
        chunk.add(tables.observations, row)
    if tables.child_observations is None:
        return
    for child in read.children or []:
        id_, status = child["id"], child.get("status")
        if status is None or status == seen.child_status.get((read.id, id_)):
            continue
        row = {
            "observation_id": digest(read.id, id_, status, at.isoformat()),
            tables.parent: read.id,
            tables.child_id: id_,
            "status": status,
            "observed_at": at,
        }
        chunk.add(tables.child_observations, row)
