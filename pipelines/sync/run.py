"""One sync: drain the inbox, request every due id once, load by chunks, publish if changed.

The main thread runs one asyncio loop in which both services fetch side by side; only one other
thread writes the landing store. At most one chunk is fetched and not yet loaded, so a kill loses no
more than that.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import duckdb

from pipelines import stop
from pipelines.landing.drain import drain
from pipelines.landing.inbox import LANDED_KINDS
from pipelines.landing.loader import Loader
from pipelines.landing.store import Landing, duckdb_error
from pipelines.landing.tables import SYNC_RUNS, sync_run_rows, tables_of
from pipelines.landing.upgrade import upgrade
from pipelines.ledger import compaction
from pipelines.ledger.ledger import AHEAD, Ledger, open_ledger
from pipelines.ledger.lock import sync_lock
from pipelines.repair import recover
from pipelines.service import RUNS, SERVICES, Service
from pipelines.settings import Settings
from pipelines.submissions.reconcile import match_lost_answers
from pipelines.warehouse import only_copy, publish
from pipelines.warehouse.build import landing_fingerprint
from sources.shared.errors import ClipmartError, FixConfiguration, Unusable
from sources.shared.slots import StoreDown

from .eta import seconds_needed
from .result import ServiceResult, SyncResult, worst
from .services import Services
from .worklist import Worklist, running, worklist
from .writer import Writer


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
        publish_now: False leaves publishing to a later sync.

    Raises:
        FixConfiguration: no key at all, or the data folder cannot be used; or the landing store is
            missing and the published file, from which it would be rebuilt, cannot be read.
        TryAgainLater: another sync runs, or a signal came before the sync started.
        Unusable: an id to refresh is not known.
    """
    with stop.deferred(), sync_lock(settings.lock, settings.now()):
        ledger = open_ledger(settings)
        try:
            # Opening the landing store creates an empty one if there is none.
            recovered = [] if settings.landing.exists() else recover.recover_locked(settings)
            this = _Sync(settings, ledger, max_minutes, publish_now)
            this.result.notes += recovered
            return this.run(service, list(refresh), dry_run)
        finally:
            ledger.close()


class _Sync:
    """The parts of one run. It runs once."""

    def __init__(
        self, settings: Settings, ledger: Ledger, max_minutes: float | None, publish_now: bool
    ) -> None:
        self.settings = settings
        self.ledger = ledger
        self.publish_now = publish_now
        self.deadline = None if max_minutes is None else time.monotonic() + max_minutes * 60
        place = settings.lake or settings.landing
        self.loader = Loader(place, settings.dlt_dir, ledger.alone)
        self.result = SyncResult(uuid.uuid4().hex, settings.now(), str(settings.data_dir))
        self._built_from: str | None = None
        """Fingerprint of the landed data that the published file was built from."""
        self._runs_landed: datetime | None = None
        """The time up to which runs had landed before this one published."""

    def run(self, service: str | None, refresh: list[str], dry_run: bool) -> SyncResult:
        result = self.result
        wanted, without_key = self._choose_services(service)
        stop.check()
        with self.ledger.alone("landing"):  # only one machine may create a lake
            place = self.settings.lake or self.settings.landing
            landing = Landing(place, self.settings.max_columns)
        try:
            if not dry_run:
                self.ledger.start_run(result.run_id, result.started_at)
            result.notes += upgrade(landing, self.loader, result.started_at)
            with self.ledger.alone("inbox"):
                landed = drain(self.loader, self.ledger, landing)
            stop.check()
            self._refuse_to_lose(landing)
            with landing.at_once():
                worklists = self._worklists(landing, wanted, refresh)
            if dry_run:
                return result
            for name in without_key:
                result.services.setdefault(name, ServiceResult()).fail(_no_key(SERVICES[name]))
            self._fetch_and_load(landing, worklists)
            self._assign_lost_answers(landing)
            with landing.at_once():
                for name in worklists:
                    result.services[name].running = running(landing, name)
            if self.publish_now:
                self._publish(landing)
                self._compact(landed)
        except (ClipmartError, duckdb.Error) as error:
            if isinstance(error, duckdb.Error):
                error = duckdb_error(self.settings, error)
            result.error = str(error)
            result.exit_code = worst((result.exit_code, error.exit_code))
        except BaseException as error:
            result.error = f"{type(error).__name__} (this should not happen)"
            result.exit_code = 1
            raise
        finally:
            landing.close()
            self.loader.close()
            codes = [s.exit_code for s in result.services.values()]
            # A signal during the last load, or during publishing, lets that finish.
            result.stopped = stop.requested()
            codes += [75] if result.stopped else []
            result.exit_code = worst((result.exit_code, *codes))
            result.finished_at = self.settings.now()
            if not dry_run:
                self.ledger.finish_run(result.run_id, result.finished_at, result.as_json())
        return result

    def _choose_services(self, service: str | None) -> tuple[list[str], list[str]]:
        """Services to run, and services that should run but have no key."""
        named = [service] if service else list(SERVICES)
        wanted = [name for name in named if self.settings.api_key(name)]
        lacking = [
            name
            for name in named
            if name not in wanted and (service or self.ledger.last_seq(name, LANDED_KINDS) > 0)
        ]
        if not wanted and not lacking:
            raise FixConfiguration(
                "No key is set, so nothing was requested. Set "
                f"{' or '.join(s.key_variable for s in SERVICES.values())} in the environment or "
                "in .env; `clipmart demo` needs none."
            )
        return wanted, lacking

    def _assign_lost_answers(self, landing: Landing) -> None:
        """Assign jobs and campaigns to the submissions whose answers were lost."""
        for name in SERVICES:
            if not landing.has_tables(name, tables_of(name)):
                continue
            assigned = match_lost_answers(landing, name, self.settings.now())
            if assigned and self.ledger.add(assigned):
                with self.ledger.alone("inbox"):
                    self.loader.drain_inbox(self.ledger, name, landing)

    def _worklists(
        self, landing: Landing, wanted: list[str], refresh: list[str]
    ) -> dict[str, Worklist]:
        worklists = {}
        known = {
            name: {
                row[SERVICES[name].id_name]
                for row in landing.submissions(name, refresh)
                if row["untracked_at"] is None
            }
            for name in wanted
        }
        unknown = [id_ for id_ in refresh if not any(id_ in ids for ids in known.values())]
        if unknown:
            raise Unusable(
                f"Not known: {', '.join(unknown[:5])}. Nothing was requested. Track it first: "
                f"{' or '.join(f'`clipmart track {name} ID`' for name in SERVICES)}."
            )
        slots = self.ledger.slots(self.settings.minute_seconds)
        for name in wanted:
            by_name = [id_ for id_ in refresh if id_ in known[name]]
            hints = {
                event.subject: event.recorded_at
                for event in self.ledger.events(name, kinds=("due",))
                if event.subject
            }
            due = worklist(landing, name, self.settings.now(), by_name, hints)
            worklists[name] = due
            self.result.services[name] = ServiceResult(
                known=due.known,
                due=len(due.due),
                remaining=len(due.due),
                eta_seconds=seconds_needed(
                    slots,
                    SERVICES[name].requests_needed(self.settings.api_key(name) or "", due.due),
                ),
            )
        return worklists

    def _fetch_and_load(self, landing: Landing, worklists: Mapping[str, Worklist]) -> None:
        counts = self.result.services
        writer = Writer(self.loader, landing, counts, lambda: self._publish_meanwhile(landing))
        writer.start()
        services = Services(self.settings, self.ledger, writer, counts, self.deadline)
        try:
            asyncio.run(services.run(worklists))
        finally:
            writer.finish()

    def _refuse_to_lose(self, landing: Landing) -> None:
        """Raise, before anything is requested, if the landed data may not be published."""
        if landing.shared:
            return
        self._built_from = publish.published_fingerprint(self.settings)
        warehouse = self.settings.warehouse
        if self._built_from != landing_fingerprint(landing.connection) and warehouse.exists():
            only_copy.refuse_a_landing_with_less(landing.connection, warehouse)

    def _publish_meanwhile(self, landing: Landing) -> None:
        """Publish what one service landed while the other one is still slow.

        The writer calls it between two chunks. A failure is ignored here: the end of the run
        publishes again and reports it.
        """
        if not self.publish_now or self._is_published(landing):
            return
        landing.close()
        try:
            with suppress(ClipmartError):
                self._put_in_place()
        finally:
            landing.open()

    def _is_published(self, landing: Landing) -> bool:
        """Whether the last published file was built from what has landed now."""
        if landing.shared:  # another machine may have published meanwhile
            self._built_from = publish.published_fingerprint(self.settings)
        return landing_fingerprint(landing.connection) == self._built_from

    def _put_in_place(self) -> None:
        if not publish.publish(self.settings, if_changed=True):
            return
        if self.settings.lake is None:
            self._built_from = publish.published_fingerprint(self.settings)
        self.result.place = self.settings.published
        self.result.published = True

    def _publish(self, landing: Landing) -> None:
        if self._is_published(landing):
            return
        self._runs_landed = since = self._last_run(landing)
        runs = sync_run_rows(self.ledger.runs(self.settings.now(), finished_since=since))
        if runs:
            self.loader.load(RUNS, {SYNC_RUNS: runs})
        landing.close()
        self._put_in_place()

    def _compact(self, landed: Mapping[str, int]) -> None:
        """Compact the ledger, whose events up to these have been published."""
        now = self.result.started_at
        # Another process may write too long, or the disk be full: the next sync compacts.
        with suppress(sqlite3.OperationalError, StoreDown):
            for name, seq in landed.items():
                compaction.compact(self.ledger, name, LANDED_KINDS, seq, now)
                compaction.remove_replaced(self.ledger, name, "due")
            if self._runs_landed is not None:
                compaction.remove_runs(self.ledger, SERVICES, self._runs_landed, now)
            compaction.give_back(self.ledger)

    def _last_run(self, landing: Landing) -> datetime | None:
        """The time since which runs may not have landed: machines' clocks differ, syncs overlap."""
        last = landing.last_run(self.settings.now() + AHEAD)
        return last - timedelta(days=1) if last and landing.shared else last


def _no_key(service: Service) -> FixConfiguration:
    variable = service.key_variable
    return FixConfiguration(
        f"{service.title} has tracked ids or was named, but {variable} is not set. Nothing of it "
        f"was requested. Set {variable} in the environment or in .env."
    )
