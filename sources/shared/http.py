"""One API over HTTP: rate slots, retries of what may be repeated, bounded answers.

Only GETs are retried; a POST goes out a second time only where the first one certainly was not
taken. Redirects are not followed: a key must not travel to another host, and neither API documents
one.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import httpx

from .errors import ClipmartError, FixConfiguration, TryAgainLater
from .ramp import FIRST, Ramp
from .refusals import is_quota
from .slots import (
    LONGEST_ANSWER_SECONDS,
    LONGEST_PAUSE_SECONDS,
    STORE_ERRORS,
    Bucket,
    RateSlots,
)

ATTEMPT_SECONDS = 30.0
MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_OBJECTS = 200_000
"""Most lists and objects of an answer: an empty one takes 2 bytes there, and 64 in memory."""
LARGE_BODY_BYTES = 1024 * 1024
LARGE_AT_ONCE = 4
"""So many answers that large are read at once, however many requests are in flight."""
ATTEMPTS = 6
BACKOFF_SECONDS = 0.25
MAX_BACKOFF_SECONDS = 20.0
PATIENCE_SECONDS = LONGEST_PAUSE_SECONDS
CONNECT_SECONDS = 10.0
CONNECT_ATTEMPTS = 3
STALLED_SECONDS = 60.0
AHEAD = timedelta(minutes=5)
"""So far an API's clock may be ahead of this machine's, and its instants still be taken."""

# Raised before the first byte of a request: no address, no connection, no TLS, no free connection.
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
# After these a POST may have been taken: the server gave up waiting, or sends elsewhere for the
# result. Other 3xx and 4xx say that it was not.
_MAY_BE_TAKEN = frozenset({302, 303, 408})


class RequestFailed(ClipmartError):
    """One request failed through all its retries; others may succeed."""


class OutcomeUnknown(TryAgainLater):
    """A POST that may have been taken: nobody can tell from here, so it is never repeated."""


class NotTaken(TryAgainLater):
    """A POST that certainly was not taken: it never went out, or the rate limit refused it."""


class BrokenBody(Exception):
    """The answer's body is not the JSON its status promises."""


@dataclass(frozen=True)
class Answer:
    """A final answer: 2xx, or a 4xx that no repeat would change."""

    status: int
    headers: Mapping[str, str]
    body: Any
    """Decoded JSON; None where an answer that need not carry any carries none, and if oversized."""
    observed_at: datetime | None
    """The Date header; None where it is absent or unreadable."""
    oversized: bool = False
    """Whether the body exceeded `MAX_BODY_BYTES` or `MAX_OBJECTS`, and was not decoded."""

    def wrong_shape(self, expected: str) -> str:
        """The reason to reject the whole answer."""
        if self.oversized:
            return (
                f"size: the answer has more than {MAX_BODY_BYTES >> 20} MiB, or more than "
                f"{MAX_OBJECTS} lists and objects"
            )
        return f"shape: the answer {expected}"


@dataclass(frozen=True)
class Watch:
    """What the caller of a GET learns while it runs."""

    sent: Callable[[], None] = lambda: None
    """Its first attempt has its rate slot and is being sent."""
    answered: Callable[[Answer], None] = lambda _: None
    """There is a final answer."""


UNWATCHED = Watch()


@dataclass
class Tally:
    """What was sent: requests of any outcome, and refusals (429)."""

    requests: int = 0
    refused: int = 0
    answered: int = 0
    """Answers that only an API that is up gives: neither 5xx nor 429."""
    ahead: timedelta = timedelta()
    """How far a Date was ahead of this machine's clock at most, where that was too far to use."""


@dataclass
class Api:
    """An API's base address, key and manners.

    `sleep`, `jitter` and `clock` exist so that tests need not wait.
    """

    name: str
    base_url: str
    key: str = field(repr=False)
    key_variable: str
    slots: RateSlots
    client: httpx.AsyncClient
    patience_seconds: float = PATIENCE_SECONDS
    attempts: int = field(default_factory=lambda: ATTEMPTS)
    """Of a GET."""
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
        # While an API is down, the other requests wait for what becomes of the first few.
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
            bucket: the limit it counts against; None where the vendor documents none.
            check: whether a 2xx body has the right outer shape. A wrong one is asked for again,
                since a proxy's page often passes by; the last one is returned for what it is.

        Raises:
            RequestFailed: no final answer within the attempts.
            TryAgainLater: the API asks for a longer wait than this run may take.
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
                    # A redirect is no answer: a proxy's may pass, and the key does not follow it.
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
                    cause = _told(error)
                if attempt == 1 < self.attempts:
                    await repeating.enter_async_context(self._repeats)
                if attempt < self.attempts:
                    await self._wait_for_next(answer, wait, attempt, bucket)
        if answer is not None and answer.status < 400:
            raise self._redirected(path)
        raise RequestFailed(
            f"{self.name}: GET {path} {cause}, {self.attempts} times. Nothing of it was stored, "
            "what is stored stays, and the next `clipmart sync` asks again."
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
        """POST once, and again only where it certainly was not taken.

        That is where no connection came about (`NEVER_SENT`) and where a rate limit refused it
        (429, unless it is a quota's). Whatever else leaves it open whether it was taken ends in
        OutcomeUnknown: a time-out, a connection lost after sending, 5xx, 408, 302 and 303.

        Args:
            timeout_seconds: from the connection to the whole answer.
            before: called once, when a rate slot is taken and nothing is sent yet.
            content: what is sent, as `httpx.Client.build_request` names it (json; data, files).

        Returns:
            2xx (its body None where it is not JSON), or the refusal: any other 4xx.

        Raises:
            OutcomeUnknown: it may have been taken.
            NotTaken: it was not, after all its attempts.
            FixConfiguration: it was not: the answer is a redirect.
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
                cause = f"did not reach it: {_told(error)}"
            except (httpx.TransportError, TimeoutError, BrokenBody) as error:
                raise self._unknown(path, _told(error)) from error
            finally:
                _keep_book(self.slots.answered, slot)
            if answer is not None:
                cause = f"was refused for its rate ({answer.status})"
                if answer.status >= 500 or answer.status in _MAY_BE_TAKEN:
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
            f"{self.name}: POST {path} {cause}. It was certainly not taken, so nothing was paid "
            "for. Run the command again later."
        )

    def _unknown(self, path: str, cause: str) -> OutcomeUnknown:
        return OutcomeUnknown(f"{self.name}: POST {path} {cause}; whether it was taken is unknown.")

    def _redirected(self, path: str) -> FixConfiguration:
        return FixConfiguration(
            f"{self.name} redirects {path} elsewhere. The key was not sent there. "
            f"Set {self.name.upper()}_BASE_URL to the address it redirects to, if you trust it."
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
                pool=None,  # as large as needed, and waiting for it would be no fault of the API
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
        status = response.status_code
        headers = response.headers
        objects = body.count(b"{") + body.count(b"[")
        oversized = len(body) > MAX_BODY_BYTES or objects > MAX_OBJECTS
        demanded = demand_json and status < 300
        decoded = None if oversized else _decoded(body, demanded=demanded)
        answer = Answer(status, headers, decoded, _date(headers.get("date")), oversized)
        _keep_book(self.on_answer, answer)
        self.tally.refused += status == 429
        self.tally.answered += status < 500 and status != 429
        return answer, retry_after_seconds(headers.get("retry-after"), answer.observed_at)

    async def _body(self, response: httpx.Response) -> bytearray:
        """The raw body, or a little more than may be read of it.

        An encoded one is refused: none was requested, and a small one may be huge.
        """
        if response.headers.get("content-encoding", "identity") != "identity":
            raise BrokenBody("answered an encoding nobody asked for")
        body = bytearray()
        async with AsyncExitStack() as large:
            async for part in response.aiter_raw():
                if len(body) <= LARGE_BODY_BYTES < len(body) + len(part):
                    await large.enter_async_context(self._large)
                body += part
                if len(body) > MAX_BODY_BYTES:
                    break
        return body

    async def _wait_for_next(
        self, answer: Answer | None, asked: float | None, attempt: int, bucket: Bucket | None
    ) -> None:
        patience = self.patience_seconds
        if self.deadline is not None:
            patience = min(patience, self.deadline - self.clock())
        if answer is not None and asked is not None:
            if asked > patience:
                raise TryAgainLater(
                    f"{self.name} asks to wait {asked:.0f} s, longer than this run may. "
                    "What was loaded stays; run `clipmart sync` again after that."
                )
            wait = asked + self.jitter() * 0.25
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


def refuse_unauthorised(api: Api, answer: Answer, needed: str) -> None:
    """Stop the source where the key, the plan or a scope is the reason of the answer.

    Args:
        needed: what the request needs, in words, such as "the scope jobs:read".

    Raises:
        FixConfiguration: the answer is 401 or 403.
    """
    if answer.status == 401:
        raise FixConfiguration(
            f"{api.name} refuses the key (401). What was loaded stays, nothing more was asked. "
            f"Set {api.key_variable} to a valid key."
        )
    if answer.status == 403:
        raise FixConfiguration(
            f"{api.name} does not allow this key's requests (403): it needs {needed}. What was "
            f"loaded stays, nothing more was asked. Give the key in {api.key_variable} what it "
            "needs, or set another."
        )


def _keep_book(note: Callable[[Any], None], what: Any) -> None:
    """A ledger that can't be written must not cost an answer, which may hold an id paid for.

    A slot that was not freed frees itself, and the next answer tells the limit again.
    """
    with suppress(*STORE_ERRORS):
        note(what)


def retry_after_seconds(value: str | None, now: datetime | None) -> float | None:
    """Seconds that a Retry-After asks for, given as seconds or as a date; None for garbage."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    instant = _date(value)
    if instant is None:
        return None
    return max((instant - (now or datetime.now(UTC))).total_seconds(), 0.0)


@lru_cache(maxsize=64)
def _date(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        instant = parsedate_to_datetime(value)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        # Years beyond 1 to 9999 overflow; whatever a header says, its answer is not lost.
        return None


def _decoded(body: bytearray, *, demanded: bool) -> Any:
    try:
        return _JSON.decode(body.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        if demanded:
            raise BrokenBody("answered a body that is not JSON") from error
        return None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def _told(error: Exception) -> str:
    """An error in words, without the address: its query could hold a secret."""
    if isinstance(error, BrokenBody):
        return str(error)
    # What lies below tells more: a transport may call a lost connection a time-out.
    return f"failed ({type(error.__cause__ or error).__name__})"
