"""Which campaigns a call makes due: known ones, each at most once a minute."""

from __future__ import annotations

import time
from typing import Any

from pipelines.ledger.ledger import Event, Ledger
from pipelines.service import CLIPUS
from pipelines.settings import Settings
from sources.shared.errors import ClipmartError
from sources.shared.values import digest

DUE_AGAIN_SECONDS = 60


class KnownCampaigns:
    """The known campaign ids, and when each last became due. Used by one thread.

    The ledger is read as it grows. If it lacks an id, perhaps because the ledger was lost, the
    published file is read, and read again only after it was replaced.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._read_up_to = 0
        self._known: set[str] = set()
        self._untracked: set[str] = set()
        self._last_due: dict[str, int] = {}
        self._read_at: dict[str, float] = {}
        self._published: tuple[Any, set[str]] = (None, set())

    def due(self, ledger: Ledger, texts: set[str]) -> list[Event]:
        """Events for the campaigns among these texts that did not become due in the last minute."""
        for event in ledger.events(CLIPUS.name, self._read_up_to):
            self._read_up_to = event.seq
            if event.kind == "due":
                self._last_due[str(event.subject)] = event.seq
                self._read_at[str(event.subject)] = time.monotonic()
            elif event.kind == "untrack":
                self._known.discard(str(event.subject))
                self._untracked.add(str(event.subject))
            elif id_ := event.body.get("campaign_id"):
                self._known.add(id_)
                self._untracked.discard(id_)
        # An event's number is its time in microseconds by the ledger's clock.
        now = ledger.number_now()
        named = texts & self._known or texts & self._in_published_file() - self._untracked
        last = {id_: self._last_due.get(id_, 0) for id_ in named}
        # Two simultaneous calls derive the same new event from the same last one.
        return [
            Event(CLIPUS.name, "due", digest("due", id_, seq), id_, self._settings.now())
            for id_, seq in last.items()
            if not self._is_recent(id_, seq, now)
        ]

    def _is_recent(self, id_: str, seq: int, now: int) -> bool:
        if seq > now:  # numbered by a clock that was ahead: the time of reading says more
            return time.monotonic() < self._read_at[id_] + DUE_AGAIN_SECONDS
        return seq > now - DUE_AGAIN_SECONDS * 1_000_000

    def _in_published_file(self) -> set[str]:
        version: tuple[int, int]
        if self._settings.lake is not None:
            version = (0, int(time.monotonic() / DUE_AGAIN_SECONDS))
        else:
            try:
                stat = self._settings.warehouse.stat()
            except FileNotFoundError:
                return set()
            version = (stat.st_ino, stat.st_mtime_ns)
        if self._published[0] != version:
            # Imported here, because the receiver hardly ever needs a database engine.
            import duckdb

            from pipelines.landing.tables import tracked
            from pipelines.warehouse.read import open_published

            try:
                with open_published(self._settings) as con:
                    sql = "SELECT campaign_id FROM clipus.submissions WHERE "
                    rows = con.execute(sql + tracked(con, CLIPUS.name)).fetchall()
            except (ClipmartError, duckdb.Error):
                return set()
            self._published = (version, {id_ for (id_,) in rows if id_ is not None})
        return self._published[1]
