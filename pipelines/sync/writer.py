"""The one thread that writes the landing store: it loads a chunk while the next one is fetched."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, Protocol

from pipelines.landing.loader import Loader, LoadFailed, tables_of
from pipelines.landing.store import Landing
from sources.clipus.rows import chunk as clipus_chunk
from sources.klipit.rows import chunk as klipit_chunk
from sources.klipit.settings import ACCOUNT_SNAPSHOTS
from sources.shared.errors import ClipmartError
from sources.shared.tables import REJECTED_RECORDS, Chunk, Drift, Rejected, Row, Table

CHUNK_IDS = 500
"""Most ids that are fetched and not yet loaded: what a kill can cost."""
CHUNK_SECONDS = 60.0
MOST_QUARANTINED = 20
"""If more ids than this cannot land in a run, the store is at fault and not the records."""
MOST_SUSPECTS = 3
"""The same while nothing else of the service has landed in the run."""


@dataclass(frozen=True)
class Snapshot:
    """A row that lands only if it differs from the last one or is the first of its UTC day."""

    table: Table
    row: Row


class _Order(Enum):
    """What the thread does besides loading, once it has loaded what came before."""

    PUBLISH = auto()
    END = auto()


class Loaded(Protocol):
    """Counts what a service's chunks brought."""

    def add(self, rows: Mapping[str, int], rejected: int) -> None: ...

    def fail(self, error: ClipmartError) -> None: ...


class Writer(threading.Thread):
    """Loads what `add` is given, by chunks, until `finish`."""

    def __init__(
        self,
        loader: Loader,
        landing: Landing,
        counts: Mapping[str, Loaded],
        publish: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="load", daemon=True)
        self._loader = loader
        self._landing = landing
        self._counts = counts
        self._publish = publish
        self._inbox: queue.SimpleQueue[tuple[str, Any] | _Order] = queue.SimpleQueue()
        self._drift: dict[str, Drift] = {}
        self._landed: set[str] = set()
        self._suspects: dict[str, list[tuple[Any, LoadFailed]]] = {}
        self._quarantined = 0
        self.failed_services: set[str] = set()
        """Services of which nothing more can land in this run."""
        self._error: BaseException | None = None
        self.chunk_ids = CHUNK_IDS
        self.on_loaded: Callable[[int], None] = lambda ids: None
        """Called after a chunk with the number of ids that are safe."""

    def add(self, service: str, read: Any) -> None:
        """Hand over what one id's requests brought, or a `Snapshot`."""
        self._inbox.put((service, read))

    def publish(self) -> None:
        """Load what was handed over so far, then publish; what comes after it waits."""
        self._inbox.put(_Order.PUBLISH)

    def finish(self) -> None:
        """Load what is left; raises what stopped the thread."""
        self._inbox.put(_Order.END)
        self.join()
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        try:
            order = None
            while order is not _Order.END:
                order, items = self._gather()
                for service in self._counts:
                    mine = [item for name, item in items if name == service]
                    if mine and service not in self.failed_services:
                        self._load(service, mine)
                self.on_loaded(sum(not isinstance(item, Snapshot) for _, item in items))
                if order is _Order.PUBLISH:
                    self._publish()
            for service, suspects in self._suspects.items():
                for _, error in suspects:
                    self._counts[service].fail(error)
        except BaseException as error:
            self._error = error
            # Nobody may wait for room that will never come.
            self.on_loaded(self.chunk_ids)

    @property
    def failed(self) -> bool:
        return self._error is not None

    def _gather(self) -> tuple[_Order | None, list[tuple[str, Any]]]:
        """Wait for a chunk, a minute, or an order."""
        items: list[tuple[str, Any]] = []
        ids = 0
        until: float | None = None
        while ids < self.chunk_ids:
            try:
                wait = None if until is None else max(until - time.monotonic(), 0.0)
                item = self._inbox.get(timeout=wait)
            except queue.Empty:
                break
            if isinstance(item, _Order):
                return item, items
            items.append(item)
            ids += not isinstance(item[1], Snapshot)
            until = until or time.monotonic() + CHUNK_SECONDS
        return None, items

    def _load(self, service: str, items: list[Any]) -> None:
        reads = [item for item in items if not isinstance(item, Snapshot)]
        news = [i for i in items if isinstance(i, Snapshot) and self._is_news(service, i)]
        if not reads and not news:
            return
        drift = self._drift.get(service)
        if drift is None or self._landing.shared:
            if not self._landing.has_tables(service, tables_of(service)):
                self._loader.load(service, {table: [] for table in tables_of(service)})
            self._drift[service] = self._landing.drift(service, tables_of(service))
        try:
            self._land(service, reads, news)
        except LoadFailed as error:
            if not error.by_data:
                raise
            # The other service's rows may land all the same.
            self.failed_services.add(service)
            self._counts[service].fail(error)
        if service in self._landed:
            for read, cause in self._suspects.pop(service, []):
                self._quarantine(service, read, cause)

    def _land(self, service: str, reads: list[Any], news: list[Snapshot]) -> None:
        """Load a chunk; if its rows cannot land, halve it until the record at fault is alone."""
        drift = self._drift[service]
        made = self._klipit(reads, drift) if service == "klipit" else self._clipus(reads, drift)
        for snapshot in news:
            made.add(snapshot.table, snapshot.row)
        try:
            rows = self._loader.load_chunk(service, made)
        except LoadFailed as error:
            if not error.by_data or not reads:
                raise
            self._loader.drop_working_folder(service)
            self._drift[service] = self._landing.drift(service, tables_of(service))
            if len(reads) == 1 and not news:
                self._suspect(service, reads[0], error)
                return
            middle = len(reads) // 2
            for part, snapshots in ((reads[:middle], []), (reads[middle:], []), ([], news)):
                if part or snapshots:
                    self._land(service, part, snapshots)
            return
        if reads:
            self._landed.add(service)
        self._counts[service].add(rows, sum(found.reason != "field" for found in made.rejected))

    def _suspect(self, service: str, read: Any, error: LoadFailed) -> None:
        """Note an id whose rows cannot land. It is to blame only if others of this run land."""
        suspects = self._suspects.setdefault(service, [])
        most = MOST_QUARANTINED - self._quarantined if service in self._landed else MOST_SUSPECTS
        if len(suspects) >= most:
            raise error
        suspects.append((read, error))

    def _quarantine(self, service: str, read: Any, error: LoadFailed) -> None:
        """Record an id whose rows cannot land; it is requested again as its age allows."""
        self._quarantined += 1
        id_ = read.job_id if service == "klipit" else read.campaign_id
        endpoint = "jobs" if service == "klipit" else "campaigns"
        reason = f"load: {error.cause}"
        rejected = Rejected(service, endpoint, id_, reason, None, read.observed_at)
        self._loader.load("clipmart", {REJECTED_RECORDS: [rejected.row()]})
        self._counts[service].add({}, 1)

    def _klipit(self, reads: list[Any], drift: Drift) -> Chunk:
        ids = [read.job_id for read in reads]
        until = max((read.observed_at for read in reads), default=_NEVER)
        last = self._landing.last_status("klipit.job_observations", ids, ("job_id",), until)
        clips = [clip["id"] for read in reads for clip in read.clips or []]
        return klipit_chunk(reads, drift, last, self._landing.clip_jobs(clips))

    def _clipus(self, reads: list[Any], drift: Drift) -> Chunk:
        ids = [read.campaign_id for read in reads]
        until = max((read.observed_at for read in reads), default=_NEVER)
        last_status = self._landing.last_status
        return clipus_chunk(
            reads,
            drift,
            last_status("clipus.campaign_observations", ids, ("campaign_id",), until),
            last_status("clipus.video_observations", ids, ("campaign_id", "video_id"), until),
        )

    def _is_news(self, service: str, snapshot: Snapshot) -> bool:
        if not self._landing.has_tables(service, [snapshot.table]):
            return True
        told = tuple(name for name in snapshot.table.columns if name not in _STAMPS)
        table, where = f"{service}.{snapshot.table.name}", "true"
        until = snapshot.row["observed_at"]
        if snapshot.table is ACCOUNT_SNAPSHOTS:
            # A balance by hand is no answer of the API: whatever follows it is news.
            where = "origin = 'api'"
            latest = self._landing.latest(table, ("observed_at", "origin"), until)
            by_hand = latest is not None and latest["origin"] == "hand"
            if latest and by_hand and latest["observed_at"] < until:
                return True
        seen = self._landing.latest(table, ("observed_at", *told), until, where)
        if seen is None:
            return True
        last_day = seen["observed_at"].astimezone(UTC).date()
        if last_day != snapshot.row["observed_at"].astimezone(UTC).date():
            return True
        return any(snapshot.row[name] != seen[name] for name in told)


_NEVER = datetime.min.replace(tzinfo=UTC)
_STAMPS = frozenset({"observed_at", "origin"})
