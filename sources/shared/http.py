"""One API over HTTP: rate slots, retries of what may be repeated, bounded answers.

Only GETs are retried; a POST is sent a second time only if the first one was certainly not
accepted. Redirects are not followed: a key must not travel to another host, and neither API
documents one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from . import answers
from .answers import Answer, error_text, is_quota, retry_after_seconds
from .errors import (
    BrokenBody,
    FixConfiguration,
    NotTaken,
    OutcomeUnknown,
    Refused,
    RequestFailed,
    TryAgainLater,
)
from .ramp import FIRST, Ramp
from .slots import (
    LONGEST_ANSWER_SECONDS,
    LONGEST_PAUSE_SECONDS,
    STORE_ERRORS,
    Bucket,
    RateSlots,
)

ATTEMPT_SECONDS = 30.0
LARGE_BODY_BYTES = 1024 * 1024
LARGE_AT_ONCE = 4
"""Most such answers read at the same time, however many requests are in flight."""
ATTEMPTS = 6
BACKOFF_SECONDS = 0.25
MAX_BACKOFF_SECONDS = 20.0
PATIENCE_SECONDS = LONGEST_PAUSE_SECONDS
CONNECT_SECONDS = 10.0
CONNECT_ATTEMPTS = 3
STALLED_SECONDS = 60.0
AHEAD = timedelta(minutes=5)
"""How far an API's clock may be ahead of this machine's for its instants to be used."""

# Raised before the first byte of a request: no address, no connection, no TLS, no free connection.
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
# After these a POST may have been accepted: the server gave up waiting, or points elsewhere for the
# result. Other 3xx and 4xx mean that it was not.
_MAY_BE_ACCEPTED = frozenset({302, 303, 408})


@dataclass(frozen=True)
class Watch:
    """Callbacks of a GET while it runs."""

    sent: Callable[[], None] = lambda: None
    """Called when its first attempt has a rate slot and is being sent."""
    answered: Callable[[Answer], None] = lambda _: None
    """Called with the final answer."""


UNWATCHED = Watch()


@dataclass
class Tally:
    """Counts requests, whatever their outcome, and refusals (429)."""

    requests: int = 0
    refused: int = 0
    answered: int = 0
    """Answers that show that the API is up: neither 5xx nor 429."""
    ahead: timedelta = timedelta()
    """How far a Date was ahead of this machine's clock at most, if that was too far to use it."""


@dataclass
class Api:
    """One API: its address, its key, its limits and how a failed request is repeated.

    `sleep`, `jitter` and `clock` can be replaced, so that tests need not wait.
    """

    name: str
    base_url: str
    key: str = field(repr=False)
    key_variable: str
    """The name, for messages, of the setting that holds the key."""
    address_variable: str
    """The name, for messages, of the setting that holds the base address."""
    slots: RateSlots
    client: httpx.AsyncClient
    patience_seconds: float = PATIENCE_SECONDS
    attempts: int = field(default_factory=lambda: ATTEMPTS)
    """How often a GET is tried."""
    rerun: str = "the next run"
    """The name, for messages, of the run that repeats what failed."""
    deadline: float | None = None
    """When the run must end, on `clock`."""
    on_answer: Callable[[Answer], None] = lambda _: None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    tally: Tally = field(default_factory=Tally)
    ramp: Ramp = field(init=False)
    _repeats: asyncio.Semaphore = field(init=False)
    _large: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.ramp = Ramp(self.slots.minute_seconds)
        # While an API is down, the other requests wait for the outcome of the first few.
        self._repeats = asyncio.Semaphore(FIRST)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    def observed_at(self, answer: Answer, now: datetime) -> datetime:
        """When an answer was given: its Date, at most 5 min after `now`, else `now`."""
        at = answer.observed_at
        if at is None:
            return now
        if at > now + AHEAD:
            self.tally.ahead = max(self.tally.ahead, at - now)
            return now
        return at

    async def get(
        self,
        path: str,
        bucket: Bucket | None,
        check: Callable[[Any], bool] = lambda _: True,
        *,
        watch: Watch = UNWATCHED,
    ) -> Answer:
        """GET until there is a final answer. At most four at a time are being repeated.

        Args:
            bucket: the limit that it counts towards; None if the vendor documents none.
            check: whether a 2xx body has the right outer shape. A wrong one is requested again,
                since a proxy's error page is often temporary; the last one is returned as it is.

        Raises:
            RequestFailed: no final answer within the attempts.
            TryAgainLater: the API demands a longer wait than this run may take.
            FixConfiguration: the answer stays a redirect.
        """
        cause = ""
        answer: Answer | None = None
        async with AsyncExitStack() as repeating:
            for attempt in range(1, self.attempts + 1):
                answer = None
                wait: float | None = None
                try:
                    answer, wait = await self._attempt(path, bucket, watch)
                    cause = f"answered {answer.status}"
                    # A redirect is not an answer: a proxy's may be temporary, and the key must not
                    # follow it.
                    if answer.status < 300 or (400 <= answer.status < 500 and answer.status != 429):
                        if (
                            answer.status >= 400
                            or check(answer.body)
                            or attempt >= min(3, self.attempts)
                        ):
                            watch.answered(answer)
                            return answer
                        cause = "answered a body of another shape"
                except (httpx.TransportError, TimeoutError, BrokenBody) as error:
                    cause = _failure(error)
                if attempt == 1 < self.attempts:
                    await repeating.enter_async_context(self._repeats)
                if attempt < self.attempts:
                    await self._wait_for_next(answer, wait, attempt, bucket)
        if answer is not None and answer.status < 400:
            raise self._redirected(path)
        raise RequestFailed(
            f"{self.name}: GET {path} {cause}, {self.attempts} times. Nothing of it was stored; "
            f"earlier data stays, and {self.rerun} requests it again."
        )

    async def post(
        self,
        path: str,
        bucket: Bucket | None,
        *,
        timeout_seconds: float,
        before: Callable[[], None] = lambda: None,
        **content: Any,
    ) -> Answer:
        """POST once, and again only if it was certainly not accepted.

        That is certain if there was no connection (`NEVER_SENT`) or if a rate limit refused it
        (429, but not for a quota). What leaves it open raises OutcomeUnknown: a time-out, a
        connection lost after sending, 5xx, 408, 302 and 303.

        Args:
            timeout_seconds: from the connection to the whole answer.
            before: called once, when a rate slot is taken and nothing is sent yet.
            content: what is sent, as arguments of `httpx.Client.build_request` (json; data, files).

        Returns:
            2xx (its body None if it is not JSON), or the refusal: any other 4xx.

        Raises:
            OutcomeUnknown: it may have been accepted.
            NotTaken: it was not accepted in any of its attempts.
            FixConfiguration: it was not accepted: the answer is a redirect.
        """
        for attempt in range(1, ATTEMPTS + 1):
            answer: Answer | None = None
            wait: float | None = None
            slot = await self._slot(bucket, timeout_seconds)
            try:
                if attempt == 1:
                    before()
                self.tally.requests += 1
                async with asyncio.timeout(timeout_seconds):
                    request = self._request("POST", path, timeout_seconds, **content)
                    answer, wait = await self._send(request, demand_json=False)
            except NEVER_SENT as error:
                cause = f"did not reach it: {_failure(error)}"
            except (httpx.TransportError, TimeoutError, BrokenBody) as error:
                raise self._unknown(path, _failure(error)) from error
            finally:
                _try_to_record(self.slots.answered, slot)
            if answer is not None:
                cause = f"was refused for its rate ({answer.status})"
                if answer.status >= 500 or answer.status in _MAY_BE_ACCEPTED:
                    raise self._unknown(path, f"answered {answer.status}")
                if 300 <= answer.status < 400:
                    raise self._redirected(path)
                if answer.status != 429 or is_quota(answer.body):
                    return answer
                if wait is not None and wait > self.patience_seconds:
                    cause += f", for the next {wait:.0f} s"
                    break
            if attempt >= (CONNECT_ATTEMPTS if answer is None else ATTEMPTS):
                break
            await self._wait_for_next(answer, wait, attempt, bucket)
        raise NotTaken(
            f"{self.name}: POST {path} {cause}. It was certainly not accepted, so nothing was paid "
            "for. Run the command again later."
        )

    def refuse_unauthorised(self, answer: Answer, needed: str) -> None:
        """Raise if the API refuses the key, its plan or its scopes.

        Args:
            needed: what the request needs, in words, such as "the scope jobs:read".

        Raises:
            FixConfiguration: the answer is 401 or 403.
        """
        if answer.status == 401:
            raise FixConfiguration(
                f"{self.name} refuses the key (401). What was loaded stays, nothing more was "
                f"requested. Set {self.key_variable} to a valid key."
            )
        if answer.status == 403:
            raise FixConfiguration(
                f"{self.name} does not allow this key's requests (403): it needs {needed}. What "
                "was loaded stays, nothing more was requested. Give the key in "
                f"{self.key_variable} what it needs, or set another."
            )

    def refusal(
        self, answer: Answer, *, needed: str, advice: Mapping[int, str]
    ) -> Refused | FixConfiguration:
        """The error for a POST's 4xx: what the API says, that nothing was done, what to do next.

        Args:
            needed: what the request needs, in words, such as "the scope jobs:create".
            advice: status → what to do about it.
        """
        words = error_text(answer.body)
        said = f"{answer.status}: {words}" if words else str(answer.status)
        if answer.status == 401:
            return FixConfiguration(
                f"{self.name} refuses the key ({said}). Nothing came of the request. "
                f"Set {self.key_variable} to a valid key."
            )
        if answer.status == 403:
            return FixConfiguration(
                f"{self.name} does not allow this key's request ({said}): it needs {needed}. "
                f"Nothing came of it. Give the key in {self.key_variable} what it needs, or set "
                "another."
            )
        remedy = advice.get(answer.status, "Change the request accordingly and send it again.")
        if answer.status == 429:
            remedy = "This quota ends with the month: wait for the next one, or enlarge the plan."
        return Refused(f"{self.name} refused the request ({said}). Nothing came of it. {remedy}")

    def _unknown(self, path: str, cause: str) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"{self.name}: POST {path} {cause}; whether it was accepted is unknown."
        )

    def _redirected(self, path: str) -> FixConfiguration:
        return FixConfiguration(
            f"{self.name} redirects {path} elsewhere. The key was not sent there. "
            f"Set {self.address_variable} to the address it redirects to, if you trust it."
        )

    async def _attempt(
        self, path: str, bucket: Bucket | None, watch: Watch
    ) -> tuple[Answer, float | None]:
        good, sent_at = False, self.clock()
        self.ramp.begin()
        try:
            slot = await self._slot(bucket, ATTEMPT_SECONDS)
            watch.sent()
            self.tally.requests += 1
            sent_at = self.clock()
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    answer, wait = await self._send(self._request("GET", path, ATTEMPT_SECONDS))
            finally:
                self.slots.answered(slot)
            good = answer.status < 500 and answer.status != 429
            return answer, wait
        finally:
            self.ramp.end(good, self.clock() - sent_at)

    async def _slot(self, bucket: Bucket | None, timeout_seconds: float) -> int:
        if bucket is None:
            return -1
        while True:
            slot, wait = self.slots.take(bucket, timeout_seconds)
            if slot:
                return slot
            await self.sleep(wait)

    def _request(
        self, method: str, path: str, timeout_seconds: float, **content: Any
    ) -> httpx.Request:
        return self.client.build_request(
            method,
            self.base_url + path,
            headers={
                "Authorization": f"Bearer {self.key}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            timeout=httpx.Timeout(
                connect=CONNECT_SECONDS,
                pool=None,  # as large as needed; waiting for it would not be the API's fault
                write=STALLED_SECONDS,
                read=min(timeout_seconds, LONGEST_ANSWER_SECONDS),
            ),
            **content,
        )

    async def _send(
        self, request: httpx.Request, *, demand_json: bool = True
    ) -> tuple[Answer, float | None]:
        response = await self.client.send(request, stream=True, follow_redirects=False)
        try:
            body = await self._body(response)
        finally:
            await response.aclose()
        status, headers = response.status_code, response.headers
        answer = Answer.of(status, headers, body, demand_json=demand_json)
        _try_to_record(self.on_answer, answer)
        self.tally.refused += status == 429
        self.tally.answered += status < 500 and status != 429
        return answer, retry_after_seconds(headers.get("retry-after"), answer.observed_at)

    async def _body(self, response: httpx.Response) -> bytearray:
        """The raw body, cut off soon after the most that may be read.

        An encoded body is refused: none was requested, and a small one may decode to a huge one.
        """
        if response.headers.get("content-encoding", "identity") != "identity":
            raise BrokenBody("answered an encoding that was not requested")
        body = bytearray()
        async with AsyncExitStack() as large:
            async for part in response.aiter_raw():
                if len(body) <= LARGE_BODY_BYTES < len(body) + len(part):
                    await large.enter_async_context(self._large)
                body += part
                if len(body) > answers.MAX_BODY_BYTES:
                    break
        return body

    async def _wait_for_next(
        self, answer: Answer | None, demanded: float | None, attempt: int, bucket: Bucket | None
    ) -> None:
        patience = self.patience_seconds
        if self.deadline is not None:
            patience = min(patience, self.deadline - self.clock())
        if answer is not None and demanded is not None:
            if demanded > patience:
                raise TryAgainLater(
                    f"{self.name} demands a wait of {demanded:.0f} s, longer than this run may "
                    f"take. What was loaded stays; after that wait, {self.rerun} goes on."
                )
            wait = demanded + self.jitter() * 0.25
        else:
            wait = min(BACKOFF_SECONDS * 2**attempt, MAX_BACKOFF_SECONDS)
            if answer is not None and answer.status == 429:
                # The last pause is a whole rate minute, after which every window is empty.
                wait = max(wait, self.slots.minute_seconds * 2.0 ** (attempt + 1 - ATTEMPTS))
            wait *= 1 + self.jitter() / 2
        if answer is not None and answer.status == 429 and bucket is not None:
            # The whole class was refused, not this request alone.
            self.slots.pause(bucket, wait)
        await self.sleep(wait)


def _try_to_record(record: Callable[[Any], None], what: Any) -> None:
    """Record something in a store whose failure must not lose an answer, which may hold an id.

    A slot that was not freed becomes free by itself, and the next answer reports the limit again.
    """
    with suppress(*STORE_ERRORS):
        record(what)


def _failure(error: Exception) -> str:
    """An error in words, without the address, whose query could contain a secret."""
    if isinstance(error, BrokenBody):
        return str(error)
    # The cause is more exact: a transport may call a lost connection a time-out.
    return f"failed ({type(error.__cause__ or error).__name__})"
