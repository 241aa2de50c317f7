"""A service's API as `submit` and `export` use it, while a person waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import httpx

from pipelines import stop
from pipelines.ledger.ledger import Ledger
from pipelines.service import Service
from pipelines.settings import Settings
from sources.shared.errors import FixConfiguration
from sources.shared.http import Api

Say = Callable[[str], None]
Sleep = Callable[[float], Awaitable[None]]


def service_api(
    settings: Settings,
    ledger: Ledger,
    service: Service,
    client: httpx.AsyncClient,
    say: Say,
    sleep: Sleep = asyncio.sleep,
) -> Api:
    """One service's API; it reports when it pauses.

    Raises:
        FixConfiguration: its key is not set.
    """
    key = settings.api_key(service.name)
    if key is None:
        raise FixConfiguration(
            f"{service.key_variable} is not set, so nothing was sent. Set it in the environment or "
            "in .env."
        )
    paused = 0.0

    async def pause(seconds: float) -> None:
        nonlocal paused
        before, paused = paused, paused + seconds
        if before < 2 <= paused:
            say(f"{service.name}: waiting before sending (rate limit, or it can't be reached)")
        await sleep(seconds)

    return Api(
        name=service.title,
        base_url=settings.base_url(service.name),
        key=key,
        key_variable=service.key_variable,
        address_variable=service.address_variable,
        rerun="the same command",
        slots=ledger.slots(settings.minute_seconds),
        client=client,
        sleep=pause,
    )


def cancelled_by_signals() -> AbstractContextManager[None]:
    """SIGTERM and SIGINT cancel the running task."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()

    def cancel() -> None:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    return stop.calling(cancel)
