"""One API over HTTP: what is retried, how long it waits, what is refused. Time is injected."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox import Fault, Sandbox, running
from sources.shared import answers, http
from sources.shared.answers import Answer, retry_after_seconds
from sources.shared.clients import MANY, http_client, reading_client
from sources.shared.errors import FixConfiguration, RequestFailed, TryAgainLater
from sources.shared.http import Api
from sources.shared.slots import Bucket, RateSlots, SqliteStore

NOW = datetime(2026, 4, 8, 12, tzinfo=UTC)
BUCKET = Bucket("klipit", "polls", "key", per_minute=60)


CLIENTS: dict[str, Callable[[], Any]] = {
    "httpx": http_client,
    "aiohttp": lambda: reading_client(MANY),
}
in_use: ContextVar[str] = ContextVar("in_use")


@pytest.fixture(autouse=True, params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test runs with the client for a few GETs and with the one for many."""
    token = in_use.set(request.param)
    yield
    in_use.reset(token)


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with running(Sandbox(now=NOW, minute_seconds=0)) as served:
        served.add_job("job_1", clips=1)
        yield served


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    server.faults.clear()
    server.forget_requests()
    return server


class Clock:
    """Seconds that pass only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def slots_at(clock: Clock, minute_seconds: float) -> RateSlots:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    return RateSlots(SqliteStore(connection, clock), minute_seconds)


def get(
    sandbox: Sandbox,
    path: str = "/jobs/job_1",
    minute_seconds: float = 0,
    first: str | None = None,
    **api: Any,
) -> tuple[Any, list[float], Api]:
    """GET with recorded instead of real waits; the error is returned, not raised."""
    waits: list[float] = []
    clock = Clock()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.now += seconds

    async def run() -> tuple[Any, Api]:
        async with CLIENTS[in_use.get()]() as client:
            api_client = Api(
                **{
                    "name": "Klipit",
                    "base_url": sandbox.klipit_url,
                    "key": "klipit_sk_sandbox",
                    "key_variable": "KLIPIT_API_KEY",
                    "address_variable": "KLIPIT_BASE_URL",
                    "slots": slots_at(clock, minute_seconds),
                    "client": client,
                    "sleep": sleep,
                    "jitter": lambda: 0.0,
                    **api,
                }
            )
            try:
                if first is not None:
                    await api_client.get(first, BUCKET)
                return await api_client.get(
                    path, BUCKET, lambda body: isinstance(body, dict)
                ), api_client
            except Exception as error:
                return error, api_client

    answer, api_client = asyncio.run(run())
    return answer, waits, api_client


@pytest.mark.parametrize(
    "kind",
    [
        *("error", "bad_gateway", "unavailable", "too_many_requests", "drop"),
        *("lost", "truncated", "malformed", "empty", "wrong_shape", "redirect"),
    ],
)
def test_a_temporary_fault_is_survived(sandbox: Sandbox, kind: str) -> None:
    """Two faulty answers of each kind, then the real one."""
    sandbox.faults.plan([Fault(kind, "/jobs/*", times=2)])

    answer, _, _ = get(sandbox)

    assert isinstance(answer, Answer) and answer.body["id"] == "job_1"
    assert sandbox.faults.unused == []


def test_a_reused_connection_that_breaks_sends_no_uncounted_request(sandbox: Sandbox) -> None:
    """A client that repeats a GET by itself would send it without a rate slot."""
    sandbox.faults.plan([Fault("drop", "/jobs/job_1")])

    _, _, api = get(sandbox, first="/jobs/job_2")

    assert sandbox.asked("GET", "/jobs/*") == api.tally.requests == 3


def test_a_trickling_body_is_given_up_and_requested_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes arrive, but not within the attempt's time."""
    monkeypatch.setattr(http, "ATTEMPT_SECONDS", 0.5)
    sandbox.faults.plan([Fault("trickle", "/jobs/*", seconds=0.2)])

    answer, waits, _ = get(sandbox)

    assert answer.body["id"] == "job_1"
    assert len(waits) == 1


def test_a_permanent_fault_is_reported_with_the_id_and_without_the_key(sandbox: Sandbox) -> None:
    """After all attempts, with waits that grow."""
    sandbox.faults.plan([Fault("error", "/jobs/*", times=None)])

    error, waits, _ = get(sandbox)

    assert isinstance(error, RequestFailed)
    assert "/jobs/job_1" in str(error) and "klipit_sk" not in str(error)
    assert sandbox.asked("GET", "/jobs/job_1") == http.ATTEMPTS
    assert waits == sorted(waits) and len(waits) == http.ATTEMPTS - 1


@pytest.mark.parametrize(
    ("retry_after", "waited"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("Wed, 08 Apr 2026 12:00:09 GMT", 9.0),
        ("Wed, 08 Apr 2026 11:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_obeyed_and_never_early(
    sandbox: Sandbox, retry_after: str, waited: float
) -> None:
    """As seconds or as a date; one in the past means no wait."""
    sandbox.faults.plan([Fault("too_many_requests", "/jobs/*", retry_after=retry_after)])

    answer, waits, api = get(sandbox)

    assert answer.status == 200
    assert waits[0] == waited
    assert api.tally.refused == 1


@pytest.mark.parametrize("value", ["soon", "-5", "1e3", "", "\uff17", "99999999999999999999 GMT"])
def test_an_unreadable_retry_after_is_ignored(sandbox: Sandbox, value: str) -> None:
    """It counts as absent."""
    assert retry_after_seconds(value, NOW) is None


def test_a_retry_after_longer_than_the_run_may_wait_ends_it(sandbox: Sandbox) -> None:
    """1000 s: try again later, after one request."""
    sandbox.faults.plan([Fault("too_many_requests", "/jobs/*", retry_after="1000")])

    error, waits, _ = get(sandbox)

    assert isinstance(error, TryAgainLater) and "1000 s" in str(error)
    assert waits == []
    assert sandbox.asked("GET", "/jobs/job_1") == 1


def test_a_429_without_retry_after_is_waited_out_for_at_least_a_rate_minute(
    sandbox: Sandbox,
) -> None:
    """The waits of one request add up to more than the window."""
    sandbox.faults.plan([Fault("too_many_requests", "/jobs/*", times=None)])

    error, waits, api = get(sandbox, minute_seconds=60)

    assert isinstance(error, RequestFailed)
    assert sum(waits) >= 60
    assert api.tally.refused == http.ATTEMPTS


def test_a_redirect_is_not_followed(sandbox: Sandbox) -> None:
    """The other host gets no request; the message names the variable."""
    sandbox.faults.plan([Fault("redirect", "/jobs/*", times=None, location=f"{sandbox.url}/else")])

    error, _, _ = get(sandbox)

    assert isinstance(error, FixConfiguration) and "KLIPIT_BASE_URL" in str(error)
    assert {request.path for request in sandbox.requests} == {"/jobs/job_1"}


def test_an_endless_body_is_cut(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read beyond the limit; the answer says so, and half a body is not used."""
    monkeypatch.setattr(answers, "MAX_BODY_BYTES", 1000)
    sandbox.faults.plan([Fault("answer", "/jobs/*", body=b"x" * 5000, times=None)])

    answer, _, _ = get(sandbox)

    assert isinstance(answer, Answer) and answer.oversized and answer.body is None


@pytest.mark.parametrize(
    "date",
    ["Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 99999 00:00:00 GMT", "²", "", "x" * 999],
)
def test_an_unreadable_date_header_loses_no_answer(sandbox: Sandbox, date: str) -> None:
    """The body of a 2xx is used, whatever its headers contain."""
    fault = Fault("answer", "/jobs/*", body={"id": "job_1"}, headers={"date": date})
    sandbox.faults.plan([fault])

    answer, _, _ = get(sandbox)

    assert isinstance(answer, Answer) and answer.body == {"id": "job_1"}
    assert answer.observed_at is None


def test_a_header_longer_than_the_client_reads_is_a_failed_request(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp raises an error of its own, which must not look like a bug of clipmart."""
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    sandbox.faults.plan([Fault("answer", "/jobs/*", headers={"x-long": "x" * 200_000})])

    error, _, _ = get(sandbox)

    assert isinstance(error, RequestFailed)


def test_an_encoding_that_was_not_requested_is_refused(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small gzip body may decode to a huge one."""
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    sandbox.faults.plan(
        [Fault("answer", "/jobs/*", body=b"\x1f\x8b", headers={"content-encoding": "gzip"})]
    )

    error, _, _ = get(sandbox)

    assert isinstance(error, RequestFailed) and "encoding" in str(error)


def test_a_refused_connection_is_a_failed_request(sandbox: Sandbox) -> None:
    """The message names the error."""
    error, _, _ = get(sandbox, base_url="http://127.0.0.1:9")
    assert isinstance(error, RequestFailed) and re.search("Connect.*Error", str(error))


def test_nan_is_not_json(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's decoder would accept it."""
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    sandbox.faults.plan([Fault("answer", "/jobs/*", body=b'{"id": NaN}')])

    error, _, _ = get(sandbox)

    assert isinstance(error, RequestFailed) and "not JSON" in str(error)
