"""The ledger as the receiver uses it: by one thread, with one commit for many events."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from starlette.exceptions import HTTPException

from pipelines.ledger.ledger import Event, Ledger, open_ledger
from pipelines.settings import Settings

from .log import log

LEDGER_SECONDS = 1.5
"""The longest wait for another writer's commit."""

T = TypeVar("T")


class Inbox:
    """The ledger, used by one thread; requests that arrive together share a commit."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._waiting: list[tuple[list[Event], asyncio.Future[bool]]] = []
        self._commits: asyncio.Task[None] | None = None
        self._checked = 0.0
        self._open()

    def close(self) -> None:
        """Finish what is being written, then close the ledger."""
        self._thread.shutdown()
        self._ledger.close()

    async def save(self, events: list[Event]) -> None:
        """Return once the events are on disk.

        Events that arrive during a commit share the next one: one fsync serves many.
        """
        committed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, committed))
        if self._commits is None or self._commits.done():
            self._commits = asyncio.create_task(self._commit_waiting())
        if not await committed:
            raise _unavailable()

    async def _commit_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            events_of_batch = [event for events, _ in batch for event in events]
            try:
                await self.run(partial(self._add, events=events_of_batch))
                succeeded = True
            except HTTPException:
                succeeded = False
            for _, committed in batch:
                if not committed.done():
                    committed.set_result(succeeded)

    async def check(self) -> None:
        """Prove that the ledger can be written, at most once a second."""
        if time.monotonic() >= self._checked + 1:
            now = self._settings.now().isoformat()
            await self.run(lambda ledger: ledger.note("listener", {"checked_at": now}))
            self._checked = time.monotonic()

    async def run(self, work: Callable[[Ledger], T]) -> T:
        """Run work on the ledger; if it fails, the answer is 503."""
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._run_in_thread, work
            )
        except Exception as error:
            log(f"The ledger cannot be used: {error}. The request is answered 503 and not saved.")
            raise _unavailable() from error

    def _run_in_thread(self, work: Callable[[Ledger], T]) -> T:
        if self._replaced():
            self._ledger.close()
            self._open()
        try:
            return work(self._ledger)
        except BaseException:
            # A failed commit may leave its transaction open, and every later one would fail.
            self._ledger.store.rollback()
            raise

    def _add(self, ledger: Ledger, events: list[Event]) -> None:
        ledger.add(events)
        if self._replaced():
            # The file was removed meanwhile, and the events with it: add them to the new one.
            self._run_in_thread(lambda new: self._add(new, events))

    def _open(self) -> None:
        self._ledger = open_ledger(self._settings)
        if self._ledger.shared is not None:
            self._ledger.shared.patience_seconds = LEDGER_SECONDS
            return
        self._ledger.store.execute(f"PRAGMA busy_timeout = {int(LEDGER_SECONDS * 1000)}")
        self._opened = self._settings.ledger.stat()

    def _replaced(self) -> bool:
        if self._ledger.shared is not None:
            return False
        try:
            return not os.path.samestat(self._opened, self._settings.ledger.stat())
        except FileNotFoundError:
            return True


def _unavailable() -> HTTPException:
    return HTTPException(503, "The event could not be saved. Send it again later.")
