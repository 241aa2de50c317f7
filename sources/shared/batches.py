"""Read many ids with one client, some at a time, from a plain (not async) generator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from .clients import CONNECTIONS, http_client
from .errors import ClipmartError
from .http import Api
from .slots import RateSlots

Read = TypeVar("Read")
BATCH = 500


def read_in_batches(
    ids: Iterable[str],
    reader: Callable[[Api, Callable[[], datetime]], Callable[[str], Awaitable[Read]]],
    *,
    name: str,
    key_variable: str,
    base_url: str,
    key: str,
    slots: RateSlots,
) -> Iterator[list[Read]]:
    """Up to 500 ids' reads at a time; one that fails through all its retries ends the run.

    Raises:
        FixConfiguration, RequestFailed, TryAgainLater: as `Api.get`.
    """
    remaining = iter(dict.fromkeys(ids))
    with asyncio.Runner() as runner:
        client = http_client()
        api = Api(name, base_url.rstrip("/"), key, key_variable, slots, client)
        read = reader(api, lambda: datetime.now(UTC))
        try:
            while batch := list(islice(remaining, BATCH)):
                yield runner.run(_read_all(batch, read))
        finally:
            runner.run(client.aclose())


async def _read_all(ids: list[str], read: Callable[[str], Awaitable[Read]]) -> list[Read]:
    waiting = iter(ids)
    reads: list[Read] = []

    async def work() -> None:
        for id_ in waiting:
            reads.append(await read(id_))

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(CONNECTIONS):
                workers.create_task(work())
    except* ClipmartError as failed:
        raise failed.exceptions[0] from None
    return reads
