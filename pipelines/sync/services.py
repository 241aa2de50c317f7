"""Both services side by side in one asyncio loop, until done, stopped or out of time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Any

import httpx

from pipelines import stop
from pipelines.ledger.ledger import Ledger
from pipelines.settings import Settings
from sources.clipus.client import ClipusClient
from sources.clipus.settings import PLAN_OBSERVATIONS
from sources.klipit.client import KlipitClient
from sources.klipit.settings import ACCOUNT_SNAPSHOTS
from sources.shared.clients import reading_client
from sources.shared.errors import ClipmartError, FixConfiguration, TryAgainLater
from sources.shared.http import Api, Watch
from sources.shared.slots import fingerprint

from .eta import needs, seconds_needed
from .fetch import Fetch
from .progress import Progress, Step
from .result import ServiceResult
from .worklist import Due, Worklist
from .writer import Snapshot, Writer

BALANCE_FIRST_SECONDS = 1.0
"""How long the balance goes first, so that a refused key costs one request, not several."""
PUBLISH_AFTER_SECONDS = 30.0
"""How long a service that is done waits for the other before its rows are published."""


class Services:
    """Asks for every due id of the wanted services and hands the answers to the writer.

    Args:
        counts: service → what is counted of it.
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
        loop = asyncio.get_running_loop()

        def make_room(ids: int) -> None:
            # After a stop the loop may be gone, and nobody waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._make_room, ids)

        self._writer.on_loaded = make_room
        due = sum(len(todo.due) for todo in worklists.values())
        async with AsyncExitStack() as clients:
            # Connections of its own for each: one service's slow answers hold up no other.
            fetches = [
                asyncio.create_task(
                    self._fetch(name, todo, await clients.enter_async_context(reading_client(due))),
                    name=name,
                )
                for name, todo in worklists.items()
            ]
            besides = [
                asyncio.create_task(self._show_progress()),
                asyncio.create_task(self._publish_when_one_is_done(fetches)),
            ]
            # What was fetched by then is still loaded.
            with stop.calling(lambda: loop.call_soon_threadsafe(_cancel, fetches)):
                if self._deadline is not None:
                    left = max(self._deadline - time.monotonic(), 0.0)
                    loop.call_later(left, _cancel, fetches)
                outcomes = await asyncio.gather(*fetches, return_exceptions=True)
            _cancel(besides)
            await asyncio.gather(*besides, return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    async def _fetch(self, name: str, todo: Worklist, client: httpx.AsyncClient) -> None:
        count = self._counts[name]
        key = self._settings.api_key(name) or ""
        proof = f"{name}/{fingerprint(key)}"
        api = Api(
            name=name.capitalize(),
            base_url=getattr(self._settings, f"{name}_base_url"),
            key=key,
            key_variable=f"{name.upper()}_API_KEY",
            slots=self._slots,
            client=client,
            deadline=self._deadline,
        )
        reader = _Klipit(api, self._settings) if name == "klipit" else _Clipus(api, self._settings)
        fetch = self._fetches[name] = Fetch(
            service=name,
            due=todo.due,
            read=reader.read,
            emit=lambda read: self._emit(name, reader, read),
            proven=self._ledger.is_proven(proof),
            prove=lambda: self._ledger.prove(proof, self._settings.now()),
            ramp=api.ramp,
            claim=lambda id_: self._ledger.claim(name, id_),
        )

        async def begin() -> None:
            count.notes += await reader.begin()

        begun = asyncio.create_task(begin())
        try:
            await asyncio.wait([begun], timeout=BALANCE_FIRST_SECONDS)
            if begun.done():
                begun.result()
            self._hand_over(name, reader)
            await fetch.run()
            if fetch.error is not None:
                raise fetch.error
            await begun
            if fetch.failed:
                down = not api.tally.answered
                count.fail(_Down(fetch.failed) if down else _Incomplete(fetch.failed))
        except ClipmartError as error:
            count.fail(error)
        finally:
            begun.cancel()
            await asyncio.gather(begun, return_exceptions=True)
            self._hand_over(name, reader)
            count.asked = fetch.asked
            count.remaining = count.due - fetch.done
            count.requests = api.tally.requests
            count.refused = api.tally.refused
            if api.tally.ahead:
                count.notes.append(_clock_ahead(api.name, api.tally.ahead))

    async def _publish_when_one_is_done(self, fetches: list[asyncio.Task[None]]) -> None:
        done, running = await asyncio.wait(fetches, return_when=asyncio.FIRST_COMPLETED)
        if running:
            _, running = await asyncio.wait(running, timeout=PUBLISH_AFTER_SECONDS)
        if running and any(self._counts[task.get_name()].asked for task in done):
            self._writer.publish()

    async def _emit(self, name: str, reader: _Klipit | _Clipus, read: Any) -> None:
        await self._room.acquire()
        if self._writer.failed or name in self._writer.failed_services:
            raise _NoWriter
        # First, what its answer told besides: after a kill, nothing may ask for it again.
        self._hand_over(name, reader)
        self._writer.add(name, read)

    def _hand_over(self, name: str, reader: _Klipit | _Clipus) -> None:
        for snapshot in reader.snapshots():
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
                            needs(name, self._settings.api_key(name) or "", fetch.waiting),
                            fetch.ramp.latency_seconds,
                        ),
                    )
                    for name, fetch in self._fetches.items()
                    if fetch.due
                ]
                progress.show(steps)
                self._ledger.note("progress", [vars(step) for step in steps])
        finally:
            progress.close()


class _Klipit:
    """Reads jobs; begins with the account's balance."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self._client = KlipitClient(api, settings.now)
        self._settings = settings
        self._snapshots: list[Snapshot] = []

    async def begin(self) -> list[str]:
        """Ask for the balance; that it is not told is said and no failure."""
        try:
            told = await self._client.balance(self._settings.klipit_account_path)
        except FixConfiguration:
            raise
        except ClipmartError as error:
            return [f"The balance could not be read: {error}"]
        if told is None:
            return ["This key or API tells no balance; enter one with `clipmart credits BALANCE`."]
        balance, at = told
        row = {"observed_at": at, "balance": balance, "origin": "api"}
        self._snapshots.append(Snapshot(ACCOUNT_SNAPSHOTS, row))
        return []

    async def read(self, item: Due, watch: Watch) -> Any:
        return await self._client.read(
            item.id,
            poll=item.poll,
            clips_read_at=item.clips_read_at,
            clips_again=item.refresh,
            watch=watch,
        )

    def snapshots(self) -> list[Snapshot]:
        """What was told since the last call."""
        told, self._snapshots = self._snapshots, []
        return told


class _Clipus:
    """Reads campaigns, and what the answers' headers tell of the plan."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self._client = ClipusClient(api, settings.now)
        self._told: dict[str, Any] = {}

    async def begin(self) -> list[str]:
        return []

    async def read(self, item: Due, watch: Watch) -> Any:
        return await self._client.poll(item.id, watch=watch)

    def snapshots(self) -> list[Snapshot]:
        """The plan, where it was not told yet or is another than before."""
        plan = self._client.plan
        if plan is None or {**plan, "observed_at": None} == self._told:
            return []
        self._told = {**plan, "observed_at": None}
        return [Snapshot(PLAN_OBSERVATIONS, plan)]


class _NoWriter(ClipmartError):
    """Loading failed; its own error is told when the writer ends."""


class _Incomplete(ClipmartError):
    """Some ids failed through all their retries."""

    def __init__(self, failed: list[str]) -> None:
        more = f" So did {len(failed) - 1} more." if len(failed) > 1 else ""
        super().__init__(f"{failed[0]}{more}")


class _Down(TryAgainLater):
    """Not one request of the run was answered."""

    def __init__(self, failed: list[str]) -> None:
        super().__init__(f"{failed[0]} It seems to be down: it answered no request of this sync.")


def _clock_ahead(name: str, ahead: timedelta) -> str:
    days = ahead / timedelta(days=1)
    span = f"{days:,.0f} days" if days >= 2 else f"{ahead / timedelta(minutes=1):,.0f} min"
    return (
        f"{name}'s clock is {span} ahead of this machine's; what it answered is stored as observed "
        "by this machine's clock. `clipmart doctor` compares them."
    )


def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
