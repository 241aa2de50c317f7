"""How many ids are in work at a time: as many as latency and limits need, few while an API fails.

Four ids are enough for a server that answers at once. If answers take five seconds, a quota of 60 a
minute is used up only if all 60 are sent before the first answer, so the number grows while
requests wait for answers, not when answers arrive. It does not grow while a request waits for a
rate slot. A 429, a 5xx, a lost connection or a time-out halves it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

FIRST = 4
MOST = 64
STEPS_A_MINUTE = 2000  # from 4 to 60 in 1.7 s
UNPACED_STEP_SECONDS = 0.005

Item = TypeVar("Item")


class Ramp:
    """Places for ids of one service. An id holds its place from its request to its hand-over."""

    def __init__(self, minute_seconds: float) -> None:
        self.places = FIRST
        self.latency_seconds = 0.0
        """Moving average over good answers; 0 before the first."""
        self._step_seconds = minute_seconds / STEPS_A_MINUTE or UNPACED_STEP_SECONDS
        self._taken = 0
        self._requests = 0
        self._is_well = True
        self._left = asyncio.Event()

    async def enter(self) -> None:
        """Take a place; while all places wait for the API, each step adds one."""
        while self._taken >= self.places:
            self._left.clear()
            try:
                async with asyncio.timeout(self._step_seconds):
                    await self._left.wait()
            except TimeoutError:
                # Otherwise some wait before a retry, or for the chunk to be loaded.
                if self._is_well and self._requests >= self.places:
                    self.places = min(self.places + 1, MOST)
        self._taken += 1

    def leave(self) -> None:
        """Give the place back."""
        self._taken -= 1
        self._left.set()

    def begin(self) -> None:
        """Count a request that begins: it waits for its rate slot, then for its answer."""
        self._requests += 1

    def end(self, good: bool, seconds: float) -> None:
        """Count a request that ended, so many seconds after it was sent."""
        self._requests -= 1
        self._is_well = good
        if good:
            share = 1 / 8 if self.latency_seconds else 1.0
            self.latency_seconds += share * (seconds - self.latency_seconds)
        else:
            self.places = max(self.places // 2, FIRST)


async def request_each(
    tasks: asyncio.TaskGroup,
    items: Iterator[Item],
    request: Callable[[Item, Callable[[], None]], Awaitable[None]],
    ramp: Ramp,
) -> None:
    """Request every item in a task of its own.

    The next item is taken when the previous one is sent and there is a place. So only one waits for
    a rate slot, and an item that was not sent when the run ends was never taken.

    Args:
        request: calls its second argument when the item's first request is sent.
    """

    async def request_item(item: Item, sent: asyncio.Event) -> None:
        try:
            await request(item, sent.set)
        finally:
            ramp.leave()
            sent.set()

    while True:
        await ramp.enter()
        item = next(items, None)
        if item is None:
            ramp.leave()
            return
        sent = asyncio.Event()
        tasks.create_task(request_item(item, sent))
        await sent.wait()
