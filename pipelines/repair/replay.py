"""`rejected`: records that did not land, and why; replayed by today's rules without a request."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.landing.loader import Loader
from pipelines.landing.rejected import rejected_sql
from pipelines.landing.store import Landing
from pipelines.landing.tables import tables_of
from pipelines.landing.upgrade import upgrade
from pipelines.ledger.ledger import open_ledger
from pipelines.ledger.lock import sync_lock
from pipelines.output import say
from pipelines.service import RUNS, SERVICES
from pipelines.settings import Settings
from pipelines.warehouse import publish
from pipelines.warehouse.catalog import quoted
from pipelines.warehouse.read import open_published
from sources.shared.chunks import ApiTables, Chunk
from sources.shared.tables import Row, Table
from sources.shared.values import BadRecord

from .recover import recover_locked

COLUMNS = ("seen_at", "source", "endpoint", "id", "reason")


def rejected(settings: Settings) -> list[tuple[Any, ...]]:
    """(seen_at, source, endpoint, id, reason) of the published rejected records, latest first.

    Left out are payloads, which may hold signed links, and records that were loaded later.

    Raises:
        NotPublished: nothing is published yet.
    """
    with open_published(settings) as con:
        return con.execute(
            f"SELECT {', '.join(COLUMNS)} FROM ({rejected_sql()}) ORDER BY seen_at DESC, id"
        ).fetchall()


@dataclass
class Replayed:
    """Records that landed now, that a newer answer replaced, and that still cannot land."""

    landed: int = 0
    outdated: int = 0
    still_rejected: int = 0


def replay(settings: Settings) -> Replayed:
    """Read every rejected payload again; what can be read now lands and is published.

    A payload older than what has landed since is dropped, because the newer answer counts.

    Raises:
        TryAgainLater: a sync runs.
        FixConfiguration: the landing store cannot be opened.
    """
    outcome = Replayed()
    place = settings.lake or settings.landing
    with sync_lock(settings.lock, settings.now()), closing(open_ledger(settings)) as ledger:
        if not settings.landing.exists():
            recover_locked(settings)
        with (
            closing(Landing(place, settings.max_columns)) as landing,
            closing(Loader(place, settings.dlt_dir, ledger.alone)) as loader,
        ):
            for line in upgrade(landing, loader, settings.now()):
                say(line)
            loader.drain()
            if not landing.has_tables(RUNS, tables_of(RUNS)):
                return outcome
            for service in SERVICES:
                if landing.has_tables(service, tables_of(service)):
                    _replay_service(service, landing, loader, outcome)
        if outcome.landed or outcome.outdated:
            publish.publish(settings)
    return outcome


def _replay_service(service: str, landing: Landing, loader: Loader, outcome: Replayed) -> None:
    chunk = Chunk(landing.drift(service, tables_of(service)))
    done: list[str] = []
    children: dict[str, list[Row]] = defaultdict(list)
    api = SERVICES[service].api
    for record_id, endpoint, id_, payload, seen_at in landing.connection.execute(
        """SELECT record_id, endpoint, id, payload, seen_at FROM clipmart.rejected_records
           WHERE source = ? AND payload IS NOT NULL AND reason NOT IN ('field', 'not_found')""",
        [service],
    ).fetchall():
        try:
            row, parent = _row(api, endpoint, id_, json.loads(payload), seen_at)
        except BadRecord:
            outcome.still_rejected += 1
            continue
        if not _is_latest(landing, api, endpoint, parent or id_, seen_at):
            outcome.outdated += 1
        else:
            outcome.landed += 1
            if parent is None:
                chunk.add(api.records, row)
            else:
                chunk.drift.fit(api.children, row)
                children[parent].append(row)
        done.append(record_id)
    for parent, rows in children.items():
        # A load replaces a parent's rows, so it includes those that had landed.
        landed = _landed(landing, service, api.children, parent)
        chunk.rows.setdefault(api.children, []).extend(landed + rows)
    if chunk.rows:
        loader.load(service, chunk.rows, chunk.drift)
    landing.connection.execute(
        "DELETE FROM clipmart.rejected_records WHERE record_id IN (SELECT unnest(?::VARCHAR[]))",
        [done],
    )


def _row(
    api: ApiTables, endpoint: str, id_: str, payload: Any, seen_at: datetime
) -> tuple[Row, str | None]:
    """The row of a payload, and its record's id if it is a clip or a video.

    Raises:
        BadRecord: it still cannot be read.
    """
    if not isinstance(payload, dict):
        raise BadRecord("shape: the record is not an object")
    if endpoint == api.records.name:
        return {**api.record(payload, id_), "observed_at": seen_at}, None
    parent = payload.get(api.parent)
    if not isinstance(parent, str):
        raise BadRecord("shape: the record does not say whose it is")
    return {**api.children.read(payload), api.parent: parent, "observed_at": seen_at}, parent


def _is_latest(
    landing: Landing, api: ApiTables, endpoint: str, id_: str, seen_at: datetime
) -> bool:
    """Whether nothing newer has landed of the same job or campaign."""
    table = api.records
    if endpoint != api.records.name:
        table = SERVICES[api.source].children_read
    row = landing.connection.execute(
        f"SELECT max(observed_at) > ? FROM {api.source}.{table.name} WHERE {table.key[0]} = ?",
        [seen_at, id_],
    ).fetchone()
    return not (row and row[0])


def _landed(landing: Landing, service: str, table: Table, parent: str) -> list[Row]:
    names = [*table.columns, *landing.drift(service, [table]).columns(table)]
    columns = ", ".join(map(quoted, names))
    rows = landing.connection.execute(
        f"SELECT {columns} FROM {service}.{table.name} WHERE {table.parent} = ?", [parent]
    ).fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]
