"""One sync: drain what was left, ask once for everything due, load by chunks, publish if changed.

The main thread runs one asyncio loop in which both services fetch side by side; one other thread
alone writes the landing store. What is fetched and not yet loaded is bounded by one chunk, so that
a kill costs no more than that.
"""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sources.clipus.client import ClipusClient
from sources.clipus.settings import PLAN_OBSERVATIONS
from sources.klipit.client import KlipitClient
from sources.klipit.settings import ACCOUNT_SNAPSHOTS
from sources.shared.batches import http_client
from sources.shared.errors import ClipmartError, FixConfiguration, Unusable
from sources.shared.http import Api
from sources.shared.slots import fingerprint

from . import publish
from .fetch import Fetch
from .inbox import ID_NAME, LANDED_KINDS, SEQ
from .landing import Landing
from .ledger import Ledger
from .load import SYNC_RUNS, Loader, inbox_tables, sync_run_rows, tables_of
from .lock import sync_lock
from .settings import Settings
from .ties import find_ties
from .worklist import Due, Worklist, worklist
from .writer import CHUNK_IDS, Snapshot, Writer

SERVICES = ("klipit", "clipus")


@dataclass
class ServiceResult:
    """What a sync did for one service; the keys of `sync --json`."""

    known: int = 0
    due: int = 0
    asked: int = 0
    loaded: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    remaining: int = 0
    requests: int = 0
    refused: int = 0
    error: str | None = None
    exit_code: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, rows: Mapping[str, int], rejected: int) -> None:
        """Count one loaded chunk."""
        self.loaded.update(rows)
        self.rejected += rejected
        if rejected:
            self.exit_code = worst((self.exit_code, 1))

    def fail(self, error: ClipmartError) -> None:
        self.error = self.error or str(error)
        self.exit_code = worst((self.exit_code, error.exit_code))

    def as_json(self) -> dict[str, Any]:
        return {
            "known": self.known,
            "due": self.due,
            "asked": self.asked,
            "loaded": dict(self.loaded),
            "rejected": self.rejected,
            "remaining": self.remaining,
            "requests": self.requests,
            "refused": self.refused,
            "error": self.error,
        }


@dataclass
class SyncResult:
    run_id: str
    started_at: datetime
    data_dir: str
    services: dict[str, ServiceResult] = field(default_factory=dict)
    finished_at: datetime | None = None
    published: bool = False
    exit_code: int = 0
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "started_at": _z(self.started_at),
            "finished_at": _z(self.finished_at) if self.finished_at else None,
            "exit_code": self.exit_code,
            "data_dir": self.data_dir,
            "published": self.published,
            "error": self.error,
            "services": {name: service.as_json() for name, service in self.services.items()},
        }

    def lines(self, *, dry_run: bool) -> list[str]:
        """A line a service and one for publishing."""
        told = []
        for name, s in self.services.items():
            if dry_run:
                told.append(f"{name}: {s.known} known, {s.due} due")
                continue
            loaded = ", ".join(f"{count} {table}" for table, count in s.loaded.items() if count)
            told.append(
                f"{name}: {s.known} known, {s.due} due, {s.asked} asked; loaded "
                f"{loaded or 'nothing'}; {s.rejected} rejected, {s.remaining} remaining; "
                f"{s.requests} requests, {s.refused} refused"
            )
            told += [f"{name}: {note}" for note in s.notes]
            if s.rejected:
                told.append(f"{name}: `clipmart rejected` tells what was rejected, and why")
        if not dry_run:
            told.append(
                f"published {self.data_dir}/warehouse.duckdb"
                if self.published
                else "nothing changed, the published file stays as it is"
            )
        return told

    def problems(self) -> list[str]:
        """What went wrong, each a message with its remedy."""
        found = [self.error] if self.error else []
        return found + [s.error for s in self.services.values() if s.error]


def worst(codes: Iterable[int]) -> int:
    """Of several outcomes the first in the order 3, 75, 1, 2, 0."""
    found = set(codes)
    return next(code for code in (3, 75, 1, 2, 0) if code in found | {0})


def sync(
    settings: Settings,
    service: str | None = None,
    *,
    max_minutes: float | None = None,
    refresh: Iterable[str] = (),
    dry_run: bool = False,
    publish_now: bool = True,
) -> SyncResult:
    """Run one sync.

    Args:
        publish_now: False leaves what is landed to be published by a later sync.

    Raises:
        FixConfiguration: no key at all, or the data folder cannot be used.
        TryAgainLater: another sync runs.
        Unusable: an id to refresh is not known.
    """
    with sync_lock(settings.lock, settings.now()):
        ledger = Ledger(settings.ledger)
        try:
            return _Sync(settings, ledger, max_minutes, publish_now).run(
                service, list(refresh), dry_run
            )
        finally:
            ledger.close()


class _Sync:
    """The parts of one run. Built, run once, thrown away."""

    def __init__(
        self, settings: Settings, ledger: Ledger, max_minutes: float | None, publish_now: bool
    ) -> None:
        self.settings = settings
        self.ledger = ledger
        self.publish_now = publish_now
        self.deadline = None if max_minutes is None else time.monotonic() + max_minutes * 60
        self.loader = Loader(settings.landing, settings.dlt_dir)
        self.result = SyncResult(uuid.uuid4().hex, settings.now(), str(settings.data_dir))
        self.stopped_by_signal = False

    def run(self, service: str | None, refresh: list[str], dry_run: bool) -> SyncResult:
        result = self.result
        wanted, without_key = self._services(service)
        landing = Landing(self.settings.landing)
        try:
            if not dry_run:
                self.ledger.start_run(result.run_id, result.started_at)
            self._drain(landing)
            worklists = self._worklists(landing, wanted, refresh)
            if dry_run:
                return result
            for name in without_key:
                result.services.setdefault(name, ServiceResult()).fail(_no_key(name))
            self._fetch_and_load(landing, wanted, worklists)
            self._tie(landing)
            if self.publish_now:
                self._publish(landing)
        except ClipmartError as error:
            result.error = str(error)
            result.exit_code = worst((result.exit_code, error.exit_code))
        except BaseException as error:
            result.error = f"{type(error).__name__} (this should not happen)"
            result.exit_code = 1
            raise
        finally:
            landing.close()
            codes = [s.exit_code for s in result.services.values()]
            codes += [75] if self.stopped_by_signal else []
            result.exit_code = worst((result.exit_code, *codes))
            result.finished_at = self.settings.now()
            if not dry_run:
                self.ledger.finish_run(result.run_id, result.finished_at, result.as_json())
        return result

    def _services(self, service: str | None) -> tuple[list[str], list[str]]:
        """Services to run, and those that should but have no key."""
        named = [service] if service else list(SERVICES)
        wanted = [name for name in named if self.settings.api_key(name)]
        lacking = [
            name
            for name in named
            if name not in wanted and (service or self.ledger.last_seq(name, LANDED_KINDS) > 0)
        ]
        if not wanted and not lacking:
            raise FixConfiguration(
                "No key is set, so nothing was asked. Set KLIPIT_API_KEY or CLIPUS_API_KEY in the "
                "environment or in .env; `clipmart demo` needs none."
            )
        return wanted, lacking

    def _drain(self, landing: Landing) -> None:
        """Bring the landing store up to what dlt and the ledger already hold."""
        self.loader.drain()
        if not landing.has_tables("clipmart", tables_of("clipmart")):
            self.loader.load("clipmart", {table: [] for table in tables_of("clipmart")})
        for name in SERVICES:
            landed = [table.name for table in inbox_tables(name) if SEQ in table.columns]
            made = landing.has_tables(name, tables_of(name))
            if not made or (
                self.ledger.last_seq(name, LANDED_KINDS) > landing.drained_up_to(name, landed)
            ):
                self.loader.drain_inbox(
                    self.ledger, name, landing.submissions, make_tables=not made
                )

    def _tie(self, landing: Landing) -> None:
        """Give submissions whose answer was lost the job or campaign that they became."""
        for name in SERVICES:
            ties = find_ties(landing, name, self.settings.now())
            if ties and self.ledger.add(ties):
                self.loader.drain_inbox(self.ledger, name, landing.submissions)

    def _worklists(
        self, landing: Landing, wanted: list[str], refresh: list[str]
    ) -> dict[str, Worklist]:
        worklists = {}
        known_by = {
            name: {row[ID_NAME[name]] for row in landing.submissions(name, refresh)}
            for name in wanted
        }
        strange = [id_ for id_ in refresh if not any(id_ in ids for ids in known_by.values())]
        if strange:
            raise Unusable(
                f"Not known: {', '.join(strange[:5])}. Nothing was asked. "
                "Track it first: `clipmart track klipit|clipus ID`."
            )
        for name in wanted:
            by_name = [id_ for id_ in refresh if id_ in known_by[name]]
            hints = {
                event.subject: event.recorded_at
                for event in self.ledger.events(name, kinds=("due",))
                if event.subject
            }
            found = worklist(landing, name, self.settings.now(), by_name, hints)
            worklists[name] = found
            self.result.services[name] = ServiceResult(
                known=found.known, due=len(found.due), remaining=len(found.due)
            )
        return worklists

    def _fetch_and_load(
        self, landing: Landing, wanted: list[str], worklists: dict[str, Worklist]
    ) -> None:
        writer = Writer(self.loader, landing, self.result.services)
        writer.start()
        try:
            with asyncio.Runner() as runner:
                runner.run(self._fetch_all(wanted, worklists, writer))
        finally:
            writer.finish()

    async def _fetch_all(
        self, wanted: list[str], worklists: dict[str, Worklist], writer: Writer
    ) -> None:
        loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(CHUNK_IDS)

        def make_room(ids: int) -> None:
            # After a stop the loop may be gone, and nobody waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_release, room, ids)

        writer.on_loaded = make_room
        async with http_client() as client:
            fetches = [
                asyncio.create_task(self._fetch(name, worklists[name], client, room, writer))
                for name in wanted
            ]
            with _on_signals(loop, lambda: self._stop(fetches)):
                if self.deadline is not None:
                    left = max(self.deadline - time.monotonic(), 0.0)
                    loop.call_later(left, _cancel, fetches)
                for outcome in await asyncio.gather(*fetches, return_exceptions=True):
                    if isinstance(outcome, BaseException) and not isinstance(
                        outcome, asyncio.CancelledError
                    ):
                        raise outcome

    def _stop(self, fetches: list[asyncio.Task[None]]) -> None:
        self.stopped_by_signal = True
        _cancel(fetches)

    async def _fetch(
        self,
        name: str,
        todo: Worklist,
        client: Any,
        room: asyncio.Semaphore,
        writer: Writer,
    ) -> None:
        key = self.settings.api_key(name)
        assert key is not None  # noqa: S101 - only services with a key are run
        service = self.result.services[name]
        api = Api(
            name=name.capitalize(),
            base_url=getattr(self.settings, f"{name}_base_url"),
            key=key,
            key_variable=f"{name.upper()}_API_KEY",
            slots=self.ledger.slots(self.settings.minute_seconds),
            client=client,
            deadline=self.deadline,
        )
        proof = f"{name}/{fingerprint(key)}"

        async def emit(read: Any) -> None:
            await room.acquire()
            if writer.failed:
                raise _NoWriter
            writer.add(name, read)

        if name == "klipit":
            klipit = KlipitClient(api, self.settings.now)

            async def read(item: Due) -> Any:
                return await klipit.read(
                    item.id,
                    poll=item.poll,
                    clips_read_at=item.clips_read_at,
                    clips_again=item.refresh,
                )
        else:
            clipus = ClipusClient(api, self.settings.now)

            async def read(item: Due) -> Any:
                return await clipus.poll(item.id)

        fetch = Fetch(
            service=name,
            due=todo.due,
            read=read,
            emit=emit,
            proven=self.ledger.is_proven(proof),
            prove=lambda: self.ledger.prove(proof, self.settings.now()),
        )
        try:
            if name == "klipit":
                await self._balance(klipit, service, writer)
            await fetch.run()
            if fetch.error is not None:
                service.fail(fetch.error)
            elif fetch.failed:
                service.fail(_Incomplete(fetch.failed))
        except ClipmartError as error:
            service.fail(error)
        finally:
            if name == "clipus" and clipus.plan is not None:
                writer.add(name, Snapshot(PLAN_OBSERVATIONS, clipus.plan))
            service.asked = fetch.asked
            service.remaining = service.due - fetch.done
            service.requests = api.tally.requests
            service.refused = api.tally.refused

    async def _balance(self, klipit: KlipitClient, service: ServiceResult, writer: Writer) -> None:
        """Ask for the account's balance; that it is not told is said and no failure."""
        try:
            told = await klipit.balance(self.settings.klipit_account_path)
        except FixConfiguration:
            raise
        except ClipmartError as error:
            service.notes.append(f"The balance could not be read: {error}")
            return
        if told is None:
            service.notes.append(
                "This key or API tells no balance; enter one with `clipmart credits BALANCE`."
            )
            return
        balance, at = told
        row = {"observed_at": at or self.settings.now(), "balance": balance, "origin": "api"}
        writer.add("klipit", Snapshot(ACCOUNT_SNAPSHOTS, row))

    def _publish(self, landing: Landing) -> None:
        if sum(sum(service.loaded.values()) for service in self.result.services.values()):
            runs = sync_run_rows(self.ledger.runs())
            if runs:
                self.loader.load("clipmart", {SYNC_RUNS: runs})
        wanted = publish.landing_fingerprint(landing.connection)
        landing.close()
        if publish.published_fingerprint(self.settings.warehouse) != wanted:
            publish.publish(self.settings)
            self.result.published = True


class _NoWriter(ClipmartError):
    """Loading failed; its own error is told when the writer ends."""


class _Incomplete(ClipmartError):
    """Some ids failed through all their retries."""

    def __init__(self, failed: list[str]) -> None:
        more = f" So did {len(failed) - 1} more." if len(failed) > 1 else ""
        super().__init__(f"{failed[0]}{more}")


def _no_key(name: str) -> FixConfiguration:
    variable = f"{name.upper()}_API_KEY"
    return FixConfiguration(
        f"{name.capitalize()} has tracked ids or was named, but {variable} is not set. Nothing of "
        f"it was asked. Set {variable} in the environment or in .env."
    )


def _release(room: asyncio.Semaphore, ids: int) -> None:
    for _ in range(min(ids, CHUNK_IDS)):
        room.release()


def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


class _on_signals:
    """SIGTERM and SIGINT end the fetching; what was fetched is still loaded."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        self._loop = loop
        self._stop = stop

    def __enter__(self) -> None:
        # Only the main thread of a process gets signals.
        with suppress(ValueError, RuntimeError):
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._stop)

    def __exit__(self, *_: object) -> None:
        with suppress(ValueError, RuntimeError):
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.remove_signal_handler(number)


def _z(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
