"""Each fault does what it says, on the wire."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from sandbox import Fault, Sandbox
from sandbox.faults import TRANSIENT


@pytest.fixture(autouse=True)
def _job(sandbox: Sandbox) -> None:
    sandbox.add_job("job_1", clips=1)


def test_error_is_a_500(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """As often as planned, then the real answer."""
    sandbox.faults.plan([Fault("error", "/jobs/job_1", times=2)])
    assert [klipit.get("/jobs/job_1").status_code for _ in range(3)] == [500, 500, 200]


def test_bad_gateway_is_html(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """502 with a page, as a proxy sends it."""
    sandbox.faults.plan([Fault("bad_gateway")])
    answer = klipit.get("/jobs/job_1")
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")


def test_unavailable_has_retry_after(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """503 with Retry-After."""
    sandbox.faults.plan([Fault("unavailable", retry_after="7"), Fault("unavailable")])
    assert [klipit.get("/jobs/job_1").headers["retry-after"] for _ in range(2)] == ["7", "1"]


@pytest.mark.parametrize("value", ["3", "Wed, 08 Apr 2026 12:00:09 GMT", "soon", None])
def test_too_many_requests_carries_any_retry_after(
    sandbox: Sandbox, klipit: httpx.Client, value: str | None
) -> None:
    """429 with seconds, a date, an unreadable value or none."""
    sandbox.faults.plan([Fault("too_many_requests", retry_after=value)])
    answer = klipit.get("/jobs/job_1")
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == value


def test_drop_ends_the_connection_and_does_nothing(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """No byte of an answer arrives, and nothing was submitted."""
    sandbox.faults.plan([Fault("drop")])
    with pytest.raises(httpx.RemoteProtocolError):
        klipit.post("/jobs", json={"source_url": "https://good.example/1"})
    assert len(sandbox.jobs) == 1
    assert sandbox.requests[-1].status is None
    assert klipit.get("/jobs/job_1").status_code == 200


def test_lost_does_the_work_and_ends_the_connection(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """No byte of an answer arrives, although the submission was accepted."""
    sandbox.faults.plan([Fault("lost", method="POST")])
    with pytest.raises(httpx.RemoteProtocolError):
        klipit.post("/jobs", json={"source_url": "https://good.example/1"})
    assert len(sandbox.jobs) == 2


def test_truncated_promises_more_than_it_sends(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """The connection ends in the middle of the body."""
    sandbox.faults.plan([Fault("truncated")])
    with pytest.raises(httpx.RemoteProtocolError):
        klipit.get("/jobs/job_1")
    assert klipit.get("/jobs/job_1").status_code == 200


def test_malformed_is_half_a_json(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """200 with the content type of JSON, and a body that is not JSON."""
    sandbox.faults.plan([Fault("malformed")])
    answer = klipit.get("/jobs/job_1")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_empty_is_a_200_without_a_body(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """Status 200 and no bytes."""
    sandbox.faults.plan([Fault("empty")])
    answer = klipit.get("/jobs/job_1")
    assert (answer.status_code, answer.content) == (200, b"")


def test_trickle_is_slow_and_whole(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """The right answer, so slowly that no read time-out notices."""
    sandbox.faults.plan([Fault("trickle", seconds=0.02)])
    started = time.monotonic()
    assert klipit.get("/jobs/job_1").json()["id"] == "job_1"
    assert time.monotonic() - started > 0.15


def test_redirect_leads_to_another_host(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """307 to a host that must never see the key."""
    sandbox.faults.plan([Fault("redirect")])
    answer = klipit.get("/jobs/job_1")
    assert answer.status_code == 307
    assert httpx.URL(answer.headers["location"]).host == "elsewhere.example"


def test_wrong_shape_is_valid_json_of_another_form(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """The object is inside a list."""
    sandbox.faults.plan([Fault("wrong_shape")])
    assert klipit.get("/jobs/job_1").json()[0]["id"] == "job_1"


def test_answer_is_as_planned(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """Any status, headers and body, for shapes that no other kind has."""
    sandbox.faults.plan(
        [
            Fault("answer", "/account", body={"credit_balance": 7}),
            {
                "kind": "answer",
                "status": 418,
                "body": "<p>",
                "headers": {"content-type": "text/html"},
            },
        ]
    )
    assert klipit.get("/account").json() == {"credit_balance": 7}
    answer = klipit.get("/account")
    assert (answer.status_code, answer.text) == (418, "<p>")
    assert answer.headers.get_list("content-type") == ["text/html"]


def test_unused_faults_are_reported(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """A test can assert that none is left; one without a limit is used after one request."""
    sandbox.faults.plan([Fault("error", times=None), Fault("drop", "/jobs/none")])
    assert len(sandbox.faults.unused) == 2
    klipit.get("/jobs/job_1")
    assert [fault.kind for fault in sandbox.faults.unused] == ["drop"]
    sandbox.faults.clear()
    assert sandbox.faults.unused == []


def test_an_unknown_kind_is_named(sandbox: Sandbox) -> None:
    """A typing error in a test is an error."""
    with pytest.raises(ValueError, match="eror"):
        sandbox.faults.plan([Fault("eror")])


def test_random_faults_repeat_and_let_the_third_try_through(
    sandbox: Sandbox, klipit: httpx.Client
) -> None:
    """The same seed gives the same faults; never more than two in a row on a path."""
    runs = []
    for _ in range(2):
        sandbox.forget_requests()
        sandbox.faults.random(0.6, seed=3)
        for _ in range(80):
            try:
                klipit.get("/jobs/job_1")
            except httpx.RemoteProtocolError:
                continue
        runs.append([arrival.fault for arrival in sandbox.requests])
    assert runs[0] == runs[1]
    assert {fault for fault in runs[0] if fault} == set(TRANSIENT)
    assert all(None in runs[0][at : at + 3] for at in range(78))
    sandbox.faults.random(0)
    assert klipit.get("/jobs/job_1").status_code == 200
