"""The fetch loop: due ids, some at a time, until done, stopped or refused."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from .answers import Answer
from .chunks import Read
from .due import Due
from .errors import ClipmartError, RequestFailed, StrangeKey, TryAgainLater
from .http import Api, Watch
from .ramp import request_each

STRANGE_KEY_AFTER = 20
"""If the first answers under an unproven key are so many 404s, it is another account's key."""
DOWN_AFTER = 3
"""If requests for so many ids in a row fail through all their retries, the API is down."""


class Client(Protocol):
    """What reads one API."""

    api: Api

    async def read(self, due: Due, watch: Watch = ...) -> Read:
        """Everything about one id; `watch` is called back for its first request."""


@dataclass
class Fetch:
    """Requests the due ids of one API.

    Args:
        emit: takes what was read of one id; waits while too much is not loaded yet.
        proven: whether any id was ever answered 2xx under this key.
        prove: records the first such answer.
        claim: whether this run may request an id. False if another run at the same time does.
    """

    client: Client
    due: list[Due]
    emit: Callable[[Read], Awaitable[None]]
    proven: bool = False
    prove: Callable[[], None] = lambda: None
    claim: Callable[[str], bool] = lambda id_: True
    requested: int = 0
    done: int = 0
    failed: list[str] = field(default_factory=list)
    """A message for each id that failed through all its retries."""
    error: ClipmartError | None = None
    _failures_in_a_row: int = 0
    _unproven: int = 0
    _not_found: list[Read] = field(default_factory=list)
    _queues: tuple[deque[Due], ...] = ()

    @property
    def waiting(self) -> list[Due]:
        """Ids that are not requested yet."""
        return [item for queue in self._queues for item in queue]

    async def run(self) -> None:
        """Request until nothing is due. An error that stops all requests is stored in `error`."""
        # Clip reads have a quota of their own, so they must not queue behind polls.
        polls = deque(item for item in self.due if item.poll)
        others = deque(item for item in self.due if not item.poll)
        self._queues = (polls, others)
        self._changed = asyncio.Event()
        ramp = self.client.api.ramp
        try:
            async with asyncio.TaskGroup() as tasks:
                for queue in self._queues:
                    tasks.create_task(request_each(tasks, self._take(queue), self._request, ramp))
        except* ClipmartError as stopped:
            self.error = _worst(stopped)
        if self.error is None:
            for read in self._not_found:
                await self._hand_on(read)

    def _take(self, queue: deque[Due]) -> Iterator[Due]:
        while queue:
            item = queue.popleft()
            if item.refresh or self.claim(item.id):
                yield item
            else:
                self.done += 1  # another run does it

    async def _request(self, item: Due, sent: Callable[[], None]) -> None:
        if not self.proven and not item.refresh:
            while not self.proven and self._unproven >= STRANGE_KEY_AFTER:
                self._changed.clear()
                await self._changed.wait()
            self._unproven += 1

        def on_sent() -> None:
            self.requested += 1
            sent()

        try:
            read = await self.client.read(item, Watch(on_sent, self._note_answer))
        except RequestFailed as error:
            self._note_failure(item, error)
            return
        self._failures_in_a_row = 0
        await self._settle(item, read)

    def _note_answer(self, answer: Answer) -> None:
        if answer.status < 300 and not self.proven:
            self.proven = True
            self.prove()
            self._changed.set()

    async def _settle(self, item: Due, read: Read) -> None:
        if not read.exists and not self.proven and not item.refresh:
            self._not_found.append(read)
            if len(self._not_found) >= STRANGE_KEY_AFTER:
                raise StrangeKey(
                    f"{self.client.api.name}: this key sees none of the tracked ids; is it another "
                    "account's? None was marked as missing."
                )
            return
        await self._hand_on(read)

    async def _hand_on(self, read: Read) -> None:
        await self.emit(read)
        self.done += 1

    def _note_failure(self, item: Due, error: RequestFailed) -> None:
        # Its place among the first 20 goes to another id: a failure says nothing about the key.
        if not self.proven and not item.refresh:
            self._unproven -= 1
            self._changed.set()
        self.failed.append(str(error))
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= DOWN_AFTER:
            raise TryAgainLater(
                f"{error} It seems to be down: {DOWN_AFTER} ids in a row failed, so the rest were "
                "not requested."
            ) from error


def _worst(group: BaseExceptionGroup[ClipmartError]) -> ClipmartError:
    errors = [error for error in group.exceptions if isinstance(error, ClipmartError)]
    return min(errors, key=lambda error: error.exit_code != 3)
