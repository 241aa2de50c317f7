"""Read many ids with one client, some at a time, from a plain (not async) generator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Protocol

import httpx

from .clients import reading_client
from .errors import ClipmartError
from .http import Api, Watch
from .ramp import ask_each
from .slots import RateSlots

BATCH = 500


class Reader(Protocol):
    """A client's method that reads one id."""

    def __call__(self, id_: str, /, *, watch: Watch) -> Coroutine[Any, Any, Any]: ...


def read_in_batches(
    ids: Iterable[str],
    reader: Callable[[Api, Callable[[], datetime]], Reader],
    *,
    name: str,
    key_variable: str,
    base_url: str,
    key: str,
    slots: RateSlots,
) -> Iterator[list[Any]]:
    """Up to 500 ids' reads at a time; one that fails through all its retries ends the run.

    Raises:
        FixConfiguration, RequestFailed, TryAgainLater: as `Api.get`.
    """
    remaining = iter(dict.fromkeys(ids))
    batch = list(islice(remaining, BATCH))
    with asyncio.Runner() as runner:
        client = runner.run(_client(len(batch)))
        api = Api(name, base_url.rstrip("/"), key, key_variable, slots, client)
        read = reader(api, lambda: datetime.now(UTC))
        try:
            while batch:
                yield runner.run(_read_all(batch, read, api))
                batch = list(islice(remaining, BATCH))
        finally:
            runner.run(client.aclose())


async def _client(requests: int) -> httpx.AsyncClient:
    return reading_client(requests)


async def _read_all(ids: list[str], read: Reader, api: Api) -> list[Any]:
    reads: list[Any] = []

    async def ask(id_: str, sent: Callable[[], None]) -> None:
        reads.append(await read(id_, watch=Watch(sent)))

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask_each(tasks, iter(ids), ask, api.ramp))
    except* ClipmartError as failed:
        raise failed.exceptions[0] from None
    return reads
