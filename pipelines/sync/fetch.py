"""Fetching: one service's due ids, polled some at a time until done, stopped or refused."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sources.shared.errors import ClipmartError, FixConfiguration, TryAgainLater
from sources.shared.http import Answer, RequestFailed, Watch
from sources.shared.ramp import Ramp, ask_each

from .worklist import Due

STRANGERS = 20
"""Answers of 404, and no other, under a key that saw no id yet: it is another account's."""
DOWN_AFTER = 3
"""Requests in a row that failed through all their retries, that mean: the API is down."""


@dataclass
class Fetch:
    """Asks for one service's due ids.

    Args:
        read: asks for one id, its first request being watched; the result tells `found` (not 404)
            and `ok` (2xx).
        emit: hands a result on; waits while too much is fetched and not yet loaded.
        proven: whether an id was ever answered 2xx under this key.
        prove: remembers the first such answer.
        ramp: how many ids are worked on at a time.
        claim: whether this run may ask for an id; another run at the same time may be asking.
    """

    service: str
    due: list[Due]
    read: Callable[[Due, Watch], Awaitable[Any]]
    emit: Callable[[Any], Awaitable[None]]
    proven: bool
    prove: Callable[[], None]
    ramp: Ramp
    claim: Callable[[str], bool] = lambda id_: True
    asked: int = 0
    done: int = 0
    failed: list[str] = field(default_factory=list)
    error: ClipmartError | None = None
    _failures_in_a_row: int = 0
    _unproven_asked: int = 0
    _strangers: list[Any] = field(default_factory=list)
    _queues: tuple[deque[Due], ...] = ()

    @property
    def waiting(self) -> list[Due]:
        """Ids whose turn has not come."""
        return [item for queue in self._queues for item in queue]

    async def run(self) -> None:
        """Ask until nothing is due; an error that stops the service ends in `error`."""
        # Clip reads have a quota of their own: they must not queue behind polls.
        polls = deque(item for item in self.due if item.poll)
        others = deque(item for item in self.due if not item.poll)
        self._queues = (polls, others)
        self._news = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                for queue in self._queues:
                    tasks.create_task(ask_each(tasks, self._take(queue), self._ask, self.ramp))
        except* ClipmartError as stopped:
            self.error = _worst(stopped)
        if self.error is None:
            for read in self._strangers:
                await self._hand_on(read)

    def _take(self, queue: deque[Due]) -> Iterator[Due]:
        while queue:
            item = queue.popleft()
            if item.refresh or self.claim(item.id):
                yield item
            else:
                self.done += 1  # by another run

    async def _ask(self, item: Due, sent: Callable[[], None]) -> None:
        if not self.proven and not item.refresh:
            while not self.proven and self._unproven_asked >= STRANGERS:
                self._news.clear()
                await self._news.wait()
            self._unproven_asked += 1

        def on_sent() -> None:
            self.asked += 1
            sent()

        try:
            read = await self.read(item, Watch(on_sent, self._note_answer))
        except RequestFailed as error:
            self._note_failure(item, error)
            return
        self._failures_in_a_row = 0
        await self._settle(item, read)

    def _note_answer(self, answer: Answer) -> None:
        if answer.status < 300 and not self.proven:
            self.proven = True
            self.prove()
            self._news.set()

    async def _settle(self, item: Due, read: Any) -> None:
        if not read.found and not self.proven and not item.refresh:
            self._strangers.append(read)
            if len(self._strangers) >= STRANGERS:
                raise StrangeKey(
                    f"{self.service}: this key sees none of the tracked ids; is it another "
                    "account's? None was marked as missing. If it is the right key, name an id "
                    f"that exists: `clipmart sync {self.service} --refresh ID`."
                )
            return
        await self._hand_on(read)

    async def _hand_on(self, read: Any) -> None:
        await self.emit(read)
        self.done += 1

    def _note_failure(self, item: Due, error: RequestFailed) -> None:
        # The place among the first 20 goes to another id: a failure says nothing of the key.
        if not self.proven and not item.refresh:
            self._unproven_asked -= 1
            self._news.set()
        self.failed.append(str(error))
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= DOWN_AFTER:
            raise TryAgainLater(
                f"{error} It seems to be down: {DOWN_AFTER} ids in a row failed, the rest was not "
                "asked for."
            ) from error


class StrangeKey(FixConfiguration):
    """The key sees none of the ids."""


def _worst(group: BaseExceptionGroup[ClipmartError]) -> ClipmartError:
    errors = [error for error in group.exceptions if isinstance(error, ClipmartError)]
    return min(errors, key=lambda error: error.exit_code != 3)
