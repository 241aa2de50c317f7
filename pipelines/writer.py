"""The one thread that writes the landing store: it loads a chunk while the next one is fetched."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Protocol

from sources.clipus.rows import chunk as clipus_chunk
from sources.klipit.rows import chunk as klipit_chunk
from sources.klipit.settings import ACCOUNT_SNAPSHOTS
from sources.shared.tables import Chunk, Drift, Row, Table

from .landing import Landing
from .load import Loader, tables_of

CHUNK_IDS = 500
"""Most ids that are fetched and not yet loaded: what a kill can cost."""
CHUNK_SECONDS = 60.0


@dataclass(frozen=True)
class Snapshot:
    """A row that lands only if it differs from the last one or is the first of its UTC day."""

    table: Table
    row: Row


class Loaded(Protocol):
    """Counts what a service's chunks brought."""

    def add(self, rows: Mapping[str, int], rejected: int) -> None: ...


class Writer(threading.Thread):
    """Loads what `add` is given, by chunks, until `finish`."""

    def __init__(
        self,
        loader: Loader,
        landing: Landing,
        counts: Mapping[str, Loaded],
    ) -> None:
        super().__init__(name="load", daemon=True)
        self._loader = loader
        self._landing = landing
        self._counts = counts
        self._inbox: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
        self._drift: dict[str, Drift] = {}
        self._error: BaseException | None = None
        self.chunk_ids = CHUNK_IDS
        self.on_loaded: Callable[[int], None] = lambda ids: None
        """Called after a chunk with the number of ids that are safe."""

    def add(self, service: str, read: Any) -> None:
        """Hand over what one id's requests brought, or a `Snapshot`."""
        self._inbox.put((service, read))

    def finish(self) -> None:
        """Load what is left; raises what stopped the thread."""
        self._inbox.put(None)
        self.join()
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        try:
            more = True
            while more:
                more, items = self._gather()
                for service in self._counts:
                    mine = [item for name, item in items if name == service]
                    if mine:
                        self._load(service, mine)
                self.on_loaded(sum(not isinstance(item, Snapshot) for _, item in items))
        except BaseException as error:
            self._error = error
            # Nobody may wait for room that will never come.
            self.on_loaded(self.chunk_ids)

    @property
    def failed(self) -> bool:
        return self._error is not None

    def _gather(self) -> tuple[bool, list[tuple[str, Any]]]:
        """Wait for a chunk, a minute, or the end."""
        items: list[tuple[str, Any]] = []
        ids = 0
        until: float | None = None
        while ids < self.chunk_ids:
            try:
                wait = None if until is None else max(until - time.monotonic(), 0.0)
                item = self._inbox.get(timeout=wait)
            except queue.Empty:
                break
            if item is None:
                return False, items
            items.append(item)
            ids += not isinstance(item[1], Snapshot)
            until = until or time.monotonic() + CHUNK_SECONDS
        return True, items

    def _load(self, service: str, items: list[Any]) -> None:
        reads = [item for item in items if not isinstance(item, Snapshot)]
        news = [i for i in items if isinstance(i, Snapshot) and self._is_news(service, i)]
        if not reads and not news:
            return
        drift = self._drift.get(service)
        if drift is None or self._landing.shared:
            if not self._landing.has_tables(service, tables_of(service)):
                self._loader.load(service, {table: [] for table in tables_of(service)})
            drift = self._drift[service] = self._landing.drift(service, tables_of(service))
        made = self._klipit(reads, drift) if service == "klipit" else self._clipus(reads, drift)
        for snapshot in news:
            made.add(snapshot.table, snapshot.row)
        rows = self._loader.load_chunk(service, made)
        self._counts[service].add(rows, sum(found.reason != "field" for found in made.rejected))

    def _klipit(self, reads: list[Any], drift: Drift) -> Chunk:
        ids = [read.job_id for read in reads]
        last = self._landing.last_status("klipit.job_observations", ids, ("job_id",))
        return klipit_chunk(reads, drift, last)

    def _clipus(self, reads: list[Any], drift: Drift) -> Chunk:
        ids = [read.campaign_id for read in reads]
        last_status = self._landing.last_status
        return clipus_chunk(
            reads,
            drift,
            last_status("clipus.campaign_observations", ids, ("campaign_id",)),
            last_status("clipus.video_observations", ids, ("campaign_id", "video_id")),
        )

    def _is_news(self, service: str, snapshot: Snapshot) -> bool:
        if not self._landing.has_tables(service, [snapshot.table]):
            return True
        told = tuple(name for name in snapshot.table.columns if name not in _STAMPS)
        table, where = f"{service}.{snapshot.table.name}", "true"
        if snapshot.table is ACCOUNT_SNAPSHOTS:
            # A balance by hand is no answer of the API: whatever follows it is news.
            where = "origin = 'api'"
            latest = self._landing.latest(table, ("observed_at", "origin"))
            by_hand = latest is not None and latest["origin"] == "hand"
            if latest and by_hand and latest["observed_at"] < snapshot.row["observed_at"]:
                return True
        seen = self._landing.latest(table, ("observed_at", *told), where)
        if seen is None:
            return True
        last_day = seen["observed_at"].astimezone(UTC).date()
        if last_day != snapshot.row["observed_at"].astimezone(UTC).date():
            return True
        return any(snapshot.row[name] != seen[name] for name in told)


_STAMPS = frozenset({"observed_at", "origin"})
