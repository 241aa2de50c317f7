"""The thread that writes the landing store: it loads a chunk while the next one is fetched."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from enum import Enum, auto

from pipelines.landing.loader import Loader, LoadFailed
from pipelines.landing.store import Landing
from pipelines.landing.tables import tables_of
from pipelines.service import RUNS, SERVICES, Service
from sources.shared.chunks import REJECTED_RECORDS, Chunk, Read, Rejected, Seen, chunk_of
from sources.shared.drift import Drift
from sources.shared.tables import REMOVED, Row

from .result import ServiceResult

CHUNK_IDS = 500
"""Most ids that are fetched and not yet loaded: what a kill can lose."""
CHUNK_SECONDS = 60.0
MOST_QUARANTINED = 20
"""If more ids than this cannot land in a run, the fault is the store's, not the records'."""
MOST_SUSPECTS = 3
"""The same limit while nothing else of the service has landed in the run."""


@dataclass(frozen=True)
class Snapshot:
    """A row of a service's account table.

    It lands only if it differs from the last one or is the first of its UTC day.
    """

    row: Row


class _Order(Enum):
    """What else the thread does, after it has loaded what came before."""

    PUBLISH = auto()
    END = auto()


class Writer(threading.Thread):
    """Loads what `add` hands over, by chunks, until `finish`."""

    def __init__(
        self,
        loader: Loader,
        landing: Landing,
        counts: Mapping[str, ServiceResult],
        publish: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="load", daemon=True)
        self._loader = loader
        self._landing = landing
        self._counts = counts
        self._publish = publish
        self._inbox: queue.SimpleQueue[tuple[str, Read | Snapshot] | _Order] = queue.SimpleQueue()
        self._drift: dict[str, Drift] = {}
        self._landed: set[str] = set()
        self._suspects: dict[str, list[tuple[Read, LoadFailed]]] = {}
        self._quarantined = 0
        self.failed_services: set[str] = set()
        """Services that cannot load anything more in this run."""
        self._error: BaseException | None = None
        self.chunk_ids = CHUNK_IDS
        self.on_loaded: Callable[[int], None] = lambda ids: None
        """Called after each chunk with the number of ids that are loaded."""

    def add(self, service: str, item: Read | Snapshot) -> None:
        """Hand over the answers for one id, or what the API reports about the account."""
        self._inbox.put((service, item))

    def publish(self) -> None:
        """Load what was handed over so far, then publish; later items wait."""
        self._inbox.put(_Order.PUBLISH)

    def finish(self) -> None:
        """Load what is left; raises the error that stopped the thread, if any."""
        self._inbox.put(_Order.END)
        self.join()
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        """The thread's work; call `start`."""
        try:
            order = None
            while order is not _Order.END:
                order, items = self._gather()
                for service in self._counts:
                    its_items = [item for name, item in items if name == service]
                    if its_items and service not in self.failed_services:
                        self._load(service, its_items)
                self.on_loaded(sum(not isinstance(item, Snapshot) for _, item in items))
                if order is _Order.PUBLISH:
                    self._publish()
            for service, suspects in self._suspects.items():
                for _, error in suspects:
                    self._counts[service].fail(error)
        except BaseException as error:
            self._error = error
            # Otherwise fetches would wait for ever for room.
            self.on_loaded(self.chunk_ids)

    @property
    def failed(self) -> bool:
        """Whether the thread has stopped with an error; `finish` raises it."""
        return self._error is not None

    def _gather(self) -> tuple[_Order | None, list[tuple[str, Read | Snapshot]]]:
        """Wait for a chunk, a minute, or an order."""
        items: list[tuple[str, Read | Snapshot]] = []
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

    def _load(self, service: str, items: list[Read | Snapshot]) -> None:
        reads = [item for item in items if isinstance(item, Read)]
        with self._landing.at_once():
            account = [
                item.row
                for item in items
                if isinstance(item, Snapshot) and self._differs(service, item.row)
            ]
        if not reads and not account:
            return
        drift = self._drift.get(service)
        if drift is None or self._landing.shared:
            if not self._landing.has_tables(service, tables_of(service)):
                self._loader.load(service, {table: [] for table in tables_of(service)})
            with self._landing.at_once():
                self._drift[service] = self._landing.drift(service, tables_of(service))
        try:
            self._land(service, reads, account)
        except LoadFailed as error:
            if not error.by_data:
                raise
            # The other service's rows may still land.
            self.failed_services.add(service)
            self._counts[service].fail(error)
        if service in self._landed:
            for read, cause in self._suspects.pop(service, []):
                self._quarantine(service, read, cause)

    def _land(self, service: str, reads: list[Read], account: list[Row]) -> None:
        """Load a chunk; if its rows cannot land, halve it until the record at fault is alone."""
        api = SERVICES[service].api
        with self._landing.at_once():
            seen = self._landing.seen(api, reads)
        chunk = chunk_of(api, reads, self._drift[service], seen)
        for row in account:
            chunk.add(api.account, row)
        try:
            rows = self._loader.load_chunk(service, chunk)
        except LoadFailed as error:
            if not error.by_data or not reads:
                raise
            self._loader.drop_working_folder(service)
            self._drift[service] = self._landing.drift(service, tables_of(service))
            if len(reads) == 1 and not account:
                self._suspect(service, reads[0], error)
                return
            middle = len(reads) // 2
            for part, rest in ((reads[:middle], []), (reads[middle:], []), ([], account)):
                if part or rest:
                    self._land(service, part, rest)
            return
        if reads:
            self._landed.add(service)
        self._counts[service].add(rows, sum(r.reason != "field" for r in chunk.rejected))
        self._counts[service].events.update(_events(SERVICES[service], chunk, seen))

    def _suspect(self, service: str, read: Read, error: LoadFailed) -> None:
        """Note an id whose rows cannot land. It is at fault only if others of this run land."""
        suspects = self._suspects.setdefault(service, [])
        most = MOST_QUARANTINED - self._quarantined if service in self._landed else MOST_SUSPECTS
        if len(suspects) >= most:
            raise error
        suspects.append((read, error))

    def _quarantine(self, service: str, read: Read, error: LoadFailed) -> None:
        """Record an id whose rows cannot land; it is requested again as its age allows."""
        self._quarantined += 1
        endpoint, reason = SERVICES[service].api.records.name, f"load: {error.cause}"
        rejected = Rejected(service, endpoint, read.id, reason, None, read.observed_at)
        self._loader.load(RUNS, {REJECTED_RECORDS: [rejected.row()]})
        self._counts[service].add({}, 1)

    def _differs(self, service: str, row: Row) -> bool:
        """Whether the account has changed, or is reported for the first time today."""
        table = SERVICES[service].api.account
        if not self._landing.has_tables(service, [table]):
            return True
        reported = tuple(name for name in table.columns if name not in _STAMPS)
        place, where, until = f"{service}.{table.name}", "true", row["observed_at"]
        if "origin" in table.columns:
            # A person's note is not an answer of the API, so the next answer lands.
            where = "origin = 'api'"
            latest = self._landing.latest(place, ("observed_at", "origin"), until)
            if latest and latest["origin"] == "hand" and latest["observed_at"] < until:
                return True
        last = self._landing.latest(place, ("observed_at", *reported), until, where)
        if last is None:
            return True
        if last["observed_at"].astimezone(UTC).date() != until.astimezone(UTC).date():
            return True
        return any(row[name] != last[name] for name in reported)


def _events(service: Service, chunk: Chunk, seen: Seen) -> Iterator[str]:
    """What a chunk brings that is new, as `ServiceResult.events` counts it."""
    api = service.api
    for row in chunk.rows.get(api.observations, []):
        before, now = seen.status.get(row[api.parent]), row["status"].lower()
        for kind, statuses in (("finished", service.finished), ("failed", service.failed)):
            if now in statuses and str(before).lower() not in statuses:
                yield kind
    if api.child_observations is not None:
        for row in chunk.rows.get(api.child_observations, []):
            before = seen.child_status.get((row[api.parent], row[api.child_id]))
            if row["status"].lower() in service.finished and (
                str(before).lower() not in service.finished
            ):
                yield "children finished"
    else:
        for row in chunk.rows.get(api.children, []):
            if not row.get(REMOVED) and row["id"] not in seen.child_parents:
                yield "children"


_STAMPS = frozenset({"observed_at", "origin"})
