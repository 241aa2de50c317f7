"""Fetches from both services side by side in one loop, until done, stopped or out of time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx

from pipelines import stop
from pipelines.ledger.ledger import Ledger
from pipelines.service import SERVICES, Service
from pipelines.settings import Settings
from sources.shared.chunks import Read
from sources.shared.clients import reading_client
from sources.shared.errors import (
    ClipmartError,
    FixConfiguration,
    RequestFailed,
    StrangeKey,
    TryAgainLater,
)
from sources.shared.fetch import Fetch
from sources.shared.http import Api
from sources.shared.slots import fingerprint
from sources.shared.tables import Row

from .eta import seconds_needed
from .progress import Progress, Step
from .result import ServiceResult
from .worklist import Worklist
from .writer import Snapshot, Writer

if TYPE_CHECKING:
    from pipelines.service.record import ServiceClient

BALANCE_FIRST_SECONDS = 1.0
"""How long to wait for the balance first, so that a refused key costs one request, not several."""
PUBLISH_AFTER_SECONDS = 30.0
"""How long a finished service waits for the other one before its rows are published."""


class Services:
    """Requests every due id of the wanted services and hands the answers to the writer.

    Args:
        counts: service → its result so far.
        deadline: when to end, on the monotonic clock.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        writer: Writer,
        counts: Mapping[str, ServiceResult],
        deadline: float | None,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._slots = ledger.slots(settings.minute_seconds)
        self._writer = writer
        self._counts = counts
        self._deadline = deadline
        self._room = asyncio.Semaphore(writer.chunk_ids)
        self._fetches: dict[str, Fetch] = {}

    async def run(self, worklists: Mapping[str, Worklist]) -> None:
        """Request what is due, and hand over the answers. Errors of a service are in `counts`."""
        loop = asyncio.get_running_loop()

        def make_room(ids: int) -> None:
            # After a stop the loop may be closed, and nobody waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._make_room, ids)

        self._writer.on_loaded = make_room
        due = sum(len(todo.due) for todo in worklists.values())
        async with AsyncExitStack() as clients:
            # Each has its own connections: one service's slow answers do not delay the other.
            fetches = [
                asyncio.create_task(
                    self._fetch(name, todo, await clients.enter_async_context(reading_client(due))),
                    name=name,
                )
                for name, todo in worklists.items()
            ]
            helpers = [
                asyncio.create_task(self._show_progress()),
                asyncio.create_task(self._publish_when_one_is_done(fetches)),
            ]
            # Cancelled fetches still load what they fetched.
            with stop.calling(lambda: loop.call_soon_threadsafe(_cancel, fetches)):
                if self._deadline is not None:
                    left = max(self._deadline - time.monotonic(), 0.0)
                    loop.call_later(left, _cancel, fetches)
                outcomes = await asyncio.gather(*fetches, return_exceptions=True)
            _cancel(helpers)
            await asyncio.gather(*helpers, return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    async def _fetch(self, name: str, todo: Worklist, http: httpx.AsyncClient) -> None:
        count, service = self._counts[name], SERVICES[name]
        key = self._settings.api_key(name) or ""
        proof = f"{name}/{fingerprint(key)}"
        api = Api(
            name=service.title,
            base_url=self._settings.base_url(name),
            key=key,
            key_variable=service.key_variable,
            address_variable=service.address_variable,
            slots=self._slots,
            client=http,
            rerun="the next `clipmart sync`",
            deadline=self._deadline,
        )
        reader = _Reader(service, service.client(api, self._settings.now))
        fetch = self._fetches[name] = Fetch(
            client=reader.client,
            due=todo.due,
            emit=lambda read: self._emit(name, reader, read),
            proven=self._ledger.is_proven(proof),
            prove=lambda: self._ledger.prove(proof, self._settings.now()),
            claim=lambda id_: self._ledger.claim(name, id_),
        )

        async def read_account() -> None:
            count.notes += await reader.read_account(self._settings.account_path(name))

        account = asyncio.create_task(read_account())
        try:
            await asyncio.wait([account], timeout=BALANCE_FIRST_SECONDS)
            if account.done():
                account.result()
            self._hand_over(name, reader)
            await fetch.run()
            if fetch.error is not None:
                raise fetch.error
            await account
            if fetch.failed:
                count.fail(_failure(fetch.failed, down=not api.tally.answered))
        except StrangeKey as error:
            by_name = f"`clipmart sync {name} --refresh ID`"
            count.fail(
                StrangeKey(f"{error} If it is the right key, name an id that exists: {by_name}.")
            )
        except ClipmartError as error:
            count.fail(error)
        finally:
            account.cancel()
            await asyncio.gather(account, return_exceptions=True)
            self._hand_over(name, reader)
            count.requested = fetch.requested
            count.remaining = count.due - fetch.done
            count.requests = api.tally.requests
            count.refused = api.tally.refused
            if api.tally.ahead:
                count.notes.append(_clock_ahead(api.name, api.tally.ahead))

    async def _publish_when_one_is_done(self, fetches: list[asyncio.Task[None]]) -> None:
        done, running = await asyncio.wait(fetches, return_when=asyncio.FIRST_COMPLETED)
        if running:
            _, running = await asyncio.wait(running, timeout=PUBLISH_AFTER_SECONDS)
        if running and any(self._counts[task.get_name()].requested for task in done):
            self._writer.publish()

    async def _emit(self, name: str, reader: _Reader, read: Read) -> None:
        await self._room.acquire()
        if self._writer.failed or name in self._writer.failed_services:
            raise _NoWriter
        # The account of the same answer goes first: after a kill, nothing of it would be due again.
        self._hand_over(name, reader)
        self._writer.add(name, read)

    def _hand_over(self, name: str, reader: _Reader) -> None:
        if (snapshot := reader.changed_account()) is not None:
            self._writer.add(name, snapshot)

    def _make_room(self, ids: int) -> None:
        for _ in range(ids):
            self._room.release()

    async def _show_progress(self) -> None:
        progress = Progress()
        try:
            while True:
                await asyncio.sleep(progress.every_seconds)
                steps = [
                    Step(
                        name,
                        fetch.done,
                        len(fetch.due),
                        seconds_needed(
                            self._slots,
                            SERVICES[name].requests_needed(
                                self._settings.api_key(name) or "", fetch.waiting
                            ),
                            fetch.client.api.ramp.latency_seconds,
                        ),
                    )
                    for name, fetch in self._fetches.items()
                    if fetch.due
                ]
                progress.show(steps)
                self._ledger.note("progress", [vars(step) for step in steps])
        finally:
            progress.close()


class _Reader:
    """A service's client, and what its API reports about the account."""

    def __init__(self, service: Service, client: ServiceClient) -> None:
        self.client = client
        self._service = service
        self._reported: Row = {}

    async def read_account(self, path: str | None) -> list[str]:
        """Request the account; returns a note if the API does not report it, which is no error."""
        if path is None:
            return []
        try:
            account = await self.client.read_account(path)
        except FixConfiguration:
            raise
        except ClipmartError as error:
            return [f"The balance could not be read: {error}"]
        return [self._service.account_missing] if account is None else []

    def changed_account(self) -> Snapshot | None:
        """What the API reports about the account, if that has changed since the last call."""
        account = self.client.account
        if account is None or {**account, "observed_at": None} == self._reported:
            return None
        self._reported = {**account, "observed_at": None}
        return Snapshot(account)


class _NoWriter(ClipmartError):
    """Loading failed; its own error is reported when the writer ends."""


def _failure(messages: list[str], *, down: bool) -> RequestFailed | TryAgainLater:
    """The error for ids that failed through all their retries; `down` if nothing was answered."""
    if down:
        return TryAgainLater(
            f"{messages[0]} It seems to be down: it answered no request of this sync."
        )
    others = len(messages) - 1
    more = f" {others} other {'id' if others == 1 else 'ids'} failed too." if others else ""
    return RequestFailed(f"{messages[0]}{more}")


def _clock_ahead(name: str, ahead: timedelta) -> str:
    days = ahead / timedelta(days=1)
    span = f"{days:,.0f} days" if days >= 2 else f"{ahead / timedelta(minutes=1):,.0f} min"
    return (
        f"{name}'s clock is {span} ahead of this machine's; its answers are stored with this "
        "machine's time. `clipmart doctor` compares the clocks."
    )


def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
