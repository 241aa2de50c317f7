"""An event loop whose waiting takes no time, and a server that answers late in it."""

from __future__ import annotations

import asyncio
import json
import selectors
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.limits import Limits
from sources.shared.http import Api
from sources.shared.slots import RateSlots, SqliteStore


class _Skipping(selectors.SelectSelector):
    """Instead of waiting it puts the clock forward."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


def run_at_once(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine to its end in virtual time, which begins at 0."""
    selector = _Skipping()

    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return selector.now

    with asyncio.Runner(loop_factory=lambda: Loop(selector)) as runner:
        return runner.run(main())


@dataclass
class Late:
    """Klipit with its limits; every answer comes `latency_seconds` after the request."""

    minute_seconds: float = 60.0
    latency_seconds: float = 0.0
    outage: tuple[float, float] = (0.0, 0.0)
    """From when to when it answers 500."""
    requests: list[tuple[float, str, int]] = field(default_factory=list)
    """When each arrived, its path and its answer's status."""
    open: int = 0
    most_open: int = 0

    def __post_init__(self) -> None:
        self._limits = Limits(self.minute_seconds)

    @property
    def polls(self) -> list[float]:
        return [at for at, path, _ in self.requests if not path.endswith("/clips")]

    def status(self, status: int) -> int:
        return sum(answered == status for _, _, answered in self.requests)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        now, path = asyncio.get_running_loop().time(), request.url.path
        kind, limit = ("clips", 120) if path.endswith("/clips") else ("polls", 60)
        refused = self._limits.admit(("key", kind), limit, now)
        down = self.outage[0] <= now < self.outage[1]
        status = 429 if refused else 500 if down else 200
        self.requests.append((now, path, status))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(self.latency_seconds)
        self.open -= 1
        body: dict[str, Any] = {"clips": []}
        if kind == "polls":
            body = {"id": path.rpartition("/")[2], "status": "complete", "clip_count": None}
        return httpx.Response(status, content=_streamed(body))

    async def with_api(self, use: Callable[[Api], Awaitable[Any]]) -> Any:
        """Call `use` with an `Api` whose every clock is the loop's."""
        loop = asyncio.get_running_loop()
        connection = sqlite3.connect(":memory:", isolation_level=None)
        slots = RateSlots(SqliteStore(connection, loop.time), self.minute_seconds)
        try:
            async with httpx.AsyncClient(transport=httpx.MockTransport(self.answer)) as client:
                return await use(
                    Api(
                        *(
                            "Klipit",
                            "http://klipit.example",
                            "key",
                            "KLIPIT_API_KEY",
                            "KLIPIT_BASE_URL",
                        ),
                        slots,
                        client,
                        clock=loop.time,
                        jitter=lambda: 0.0,
                    )
                )
        finally:
            connection.close()


async def _streamed(body: dict[str, Any]) -> AsyncIterator[bytes]:
    yield json.dumps(body).encode()
