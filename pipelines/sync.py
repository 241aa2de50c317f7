"""One sync: drain what was left, ask once for everything due, load by chunks, publish if changed.

The main thread runs one asyncio loop in which both services fetch side by side; one other thread
alone writes the landing store. What is fetched and not yet loaded is bounded by one chunk, so that
a kill costs no more than that.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import duckdb

from sources.shared.errors import ClipmartError, FixConfiguration, Unusable

from . import publish
from .build import landing_fingerprint
from .eta import needs, seconds_needed
from .inbox import ID_NAME, LANDED_KINDS, SEQ
from .landing import Landing, cannot_go_on
from .ledger import Ledger, open_ledger
from .load import SYNC_RUNS, Loader, inbox_tables, sync_run_rows, tables_of
from .lock import sync_lock
from .result import ServiceResult, SyncResult, worst
from .services import Services
from .settings import Settings
from .ties import find_ties
from .worklist import Worklist, worklist
from .writer import Writer

SERVICES = ("klipit", "clipus")


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
        ledger = open_ledger(settings)
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
        place = settings.lake or settings.landing
        self.loader = Loader(place, settings.dlt_dir, ledger.alone)
        self.result = SyncResult(uuid.uuid4().hex, settings.now(), str(settings.data_dir))
        self.stopped_by_signal = False

    def run(self, service: str | None, refresh: list[str], dry_run: bool) -> SyncResult:
        result = self.result
        wanted, without_key = self._services(service)
        with self.ledger.alone("landing"):  # who makes a lake, makes it alone
            landing = Landing(self.settings.lake or self.settings.landing)
        try:
            if not dry_run:
                self.ledger.start_run(result.run_id, result.started_at)
            with self.ledger.alone("inbox"):
                drain(self.loader, self.ledger, landing)
            worklists = self._worklists(landing, wanted, refresh)
            if dry_run:
                return result
            for name in without_key:
                result.services.setdefault(name, ServiceResult()).fail(_no_key(name))
            self._fetch_and_load(landing, worklists)
            self._tie(landing)
            if self.publish_now:
                self._publish(landing)
        except (ClipmartError, duckdb.Error) as error:
            if isinstance(error, duckdb.Error):
                error = cannot_go_on(self.settings, error)
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

    def _tie(self, landing: Landing) -> None:
        """Give submissions whose answer was lost the job or campaign that they became."""
        for name in SERVICES:
            if not landing.has_tables(name, tables_of(name)):
                continue
            ties = find_ties(landing, name, self.settings.now())
            if ties and self.ledger.add(ties):
                with self.ledger.alone("inbox"):
                    self.loader.drain_inbox(self.ledger, name, landing.submissions)

    def _worklists(
        self, landing: Landing, wanted: list[str], refresh: list[str]
    ) -> dict[str, Worklist]:
        worklists = {}
        known_by = {
            name: {
                row[ID_NAME[name]]
                for row in landing.submissions(name, refresh)
                if row["untracked_at"] is None
            }
            for name in wanted
        }
        strange = [id_ for id_ in refresh if not any(id_ in ids for ids in known_by.values())]
        if strange:
            raise Unusable(
                f"Not known: {', '.join(strange[:5])}. Nothing was asked. "
                "Track it first: `clipmart track klipit ID` or `clipmart track clipus ID`."
            )
        slots = self.ledger.slots(self.settings.minute_seconds)
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
                known=found.known,
                due=len(found.due),
                remaining=len(found.due),
                eta_seconds=seconds_needed(
                    slots, needs(name, self.settings.api_key(name) or "", found.due)
                ),
            )
        return worklists

    def _fetch_and_load(self, landing: Landing, worklists: Mapping[str, Worklist]) -> None:
        counts = self.result.services
        writer = Writer(self.loader, landing, counts)
        writer.start()
        services = Services(self.settings, self.ledger, writer, counts, self.deadline)
        try:
            asyncio.run(services.run(worklists))
        finally:
            self.stopped_by_signal = services.stopped_by_signal
            writer.finish()

    def _publish(self, landing: Landing) -> None:
        """Publish if what is landed is not what was published last was built from."""
        published = publish.published_fingerprint(self.settings)
        if landing_fingerprint(landing.connection) == published:
            return
        runs = sync_run_rows(self.ledger.runs(finished_since=self._last_run(landing)))
        if runs:
            self.loader.load("clipmart", {SYNC_RUNS: runs})
        landing.close()
        publish.publish(self.settings)
        self.result.place = self.settings.published
        self.result.published = True

    def _last_run(self, landing: Landing) -> datetime | None:
        """Since when runs may not be landed yet; machines' clocks differ, and syncs overlap."""
        last = landing.last_run()
        return last - timedelta(days=1) if last and landing.shared else last


def drain(loader: Loader, ledger: Ledger, landing: Landing) -> None:
    """Bring the landing store up to what dlt and the ledger already hold."""
    loader.drain()
    for name in SERVICES:
        landed = [table.name for table in inbox_tables(name) if SEQ in table.columns]
        made = landing.has_tables(name, tables_of(name))
        drained = landing.drained_up_to(name, landed) if made else 0
        if ledger.last_seq(name, LANDED_KINDS) > drained:
            loader.drain_inbox(ledger, name, landing.submissions, make_tables=not made)


def _no_key(name: str) -> FixConfiguration:
    variable = f"{name.upper()}_API_KEY"
    return FixConfiguration(
        f"{name.capitalize()} has tracked ids or was named, but {variable} is not set. Nothing of "
        f"it was asked. Set {variable} in the environment or in .env."
    )
