"""A source used alone: it requests the ids that are not settled; dlt's state lists those that are.

This is the state of the source, so dlt restores it from the destination if the working folder is
new. Imports dlt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol

import dlt
import httpx

from .chunks import ApiTables, Chunk, Read, chunk_of
from .clients import reading_client
from .drift import Drift
from .due import Due
from .errors import RequestFailed
from .fetch import Client, Fetch
from .http import Api
from .slots import RateSlots, fingerprint

BATCH = 500
"""Ids of a chunk."""


class SourceClient(Client, Protocol):
    """What a source alone needs to know of its API besides requests."""

    tables: ApiTables

    def __init__(self, api: Api, now: Callable[[], datetime]) -> None: ...

    @staticmethod
    def is_settled(read: Read) -> bool:
        """Whether the record just read will not change any more."""


def incremental_chunks(
    client: type[SourceClient],
    ids: Iterable[str],
    *,
    base_url: str,
    api_key: str,
    minute_seconds: float,
    refresh: bool,
) -> Iterator[Chunk]:
    """Request the ids that are not settled, up to 500 for each chunk.

    An id is settled if its record will not change any more, or if it was answered by 404 under a
    key that is proven: one that was answered 2xx for another id.

    Args:
        minute_seconds: length of the API's rate minute; 0 sends unpaced.
        refresh: request settled ids too.

    Raises:
        FixConfiguration, RequestFailed, TryAgainLater: as `Fetch.run`; nothing of the run lands.
    """

    def client_over(http: httpx.AsyncClient) -> Client:
        section = f"SOURCES__{client.tables.source.upper()}__"
        api = Api(
            name=client.tables.source.capitalize(),
            base_url=base_url.rstrip("/"),
            key=api_key,
            key_variable=f"{section}API_KEY",
            address_variable=f"{section}BASE_URL",
            slots=RateSlots.in_memory(minute_seconds),
            client=http,
        )
        return client(api, lambda: datetime.now(UTC))

    tables = client.tables
    state = dlt.current.source_state()
    settled: list[str] = state.setdefault("settled", [])
    known = set(settled)
    due = (Due(id_) for id_ in dict.fromkeys(ids) if refresh or id_ not in known)
    drift = Drift.of_schema(dlt.current.source_schema(), tables.all)
    for reads, proven_key in read_batches(due, client_over, state.get("proven_key")):
        yield chunk_of(tables, reads, drift)
        state["proven_key"] = proven_key
        settled += [
            read.id
            for read in reads
            if read.id not in known
            and (client.is_settled(read) or (proven_key and not read.exists))
        ]


def read_batches(
    due: Iterator[Due],
    client_of: Callable[[httpx.AsyncClient], Client],
    proven_key: str | None = None,
) -> Iterator[tuple[list[Read], str | None]]:
    """Read ids with one client; an ordinary generator around the asynchronous fetch loop.

    Args:
        proven_key: fingerprint of the key that was last answered 2xx.

    Yields:
        What was read of up to 500 ids, and the fingerprint of the key if it is proven.

    Raises:
        FixConfiguration, RequestFailed, TryAgainLater: as `Api.get`.
    """
    batch = list(islice(due, BATCH))
    with asyncio.Runner() as runner:
        http = runner.run(_http_client(len(batch)))
        client = client_of(http)
        key = fingerprint(client.api.key)
        proven = proven_key == key
        try:
            while batch:
                reads, proven = runner.run(_read(batch, client, proven))
                yield reads, key if proven else None
                batch = list(islice(due, BATCH))
        finally:
            runner.run(http.aclose())


async def _http_client(requests: int) -> httpx.AsyncClient:
    return reading_client(requests)


async def _read(batch: list[Due], client: Client, proven: bool) -> tuple[list[Read], bool]:
    reads: list[Read] = []

    async def emit(read: Read) -> None:
        reads.append(read)

    fetch = Fetch(client, batch, emit, proven)
    await fetch.run()
    if fetch.error is not None:
        raise fetch.error
    if fetch.failed:
        raise RequestFailed(fetch.failed[0])
    return reads, fetch.proven
