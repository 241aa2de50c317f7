"""A service's API as `submit` and `export` use it, while a person waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import httpx

from pipelines import stop
from pipelines.ledger.ledger import Ledger
from pipelines.settings import Settings
from sources.shared.errors import FixConfiguration
from sources.shared.http import Api
from sources.shared.refusals import without_secrets

Say = Callable[[str], None]
Sleep = Callable[[float], Awaitable[None]]


def service_api(
    settings: Settings,
    ledger: Ledger,
    service: str,
    client: httpx.AsyncClient,
    say: Say,
    sleep: Sleep = asyncio.sleep,
) -> Api:
    """One service's API; it reports when it pauses.

    Raises:
        FixConfiguration: its key is not set.
    """
    variable = f"{service.upper()}_API_KEY"
    key = settings.api_key(service)
    if key is None:
        raise FixConfiguration(
            f"{variable} is not set, so nothing was sent. Set it in the environment or in .env."
        )
    paused = 0.0

    async def pause(seconds: float) -> None:
        nonlocal paused
        before, paused = paused, paused + seconds
        if before < 2 <= paused:
            say(f"{service}: waiting before sending (rate limit, or it can't be reached)")
        await sleep(seconds)

    return Api(
        name=service.capitalize(),
        base_url=getattr(settings, f"{service}_base_url"),
        key=key,
        key_variable=variable,
        slots=ledger.slots(settings.minute_seconds),
        client=client,
        sleep=pause,
    )


def without_our_secrets(settings: Settings, text: str) -> str:
    """A vendor's message without the keys and tokens that it may repeat."""
    return without_secrets(
        text,
        (
            settings.klipit_api_key,
            settings.clipus_api_key,
            settings.clipus_webhook_token,
            *settings.klipit_webhook_secrets,
        ),
    )


def cancelled_by_signals() -> AbstractContextManager[None]:
    """SIGTERM and SIGINT cancel the running task."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()

    def cancel() -> None:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    return stop.calling(cancel)
