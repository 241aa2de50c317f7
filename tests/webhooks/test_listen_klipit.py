"""Klipit's events: who may send one, what is saved of it, what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.listen_client import SECRET, Listener, event, request, sign

BODY = event("job_1", clip_count=4)
GOOD = sign(BODY)


def test_an_event_is_saved_with_its_own_fields(listener: Listener) -> None:
    """A signed event is one row of the ledger, named by the SHA-256 of its body."""
    body = event("job_1", clip_count=4, error="none", extra={"not": "saved"})
    assert listener.klipit(body) == 200
    ((service, kind, event_id, subject, fields),) = listener.saved(
        "service, kind, event_id, subject, body"
    )
    assert (service, kind, subject) == ("klipit", "webhook", "job_1")
    assert event_id == hashlib.sha256(body).hexdigest()
    assert json.loads(fields) == {
        "event": "job.complete",
        "job_id": "job_1",
        "clip_count": 4,
        "error": "none",
        "event_at": "2026-04-08T12:04:12+00:00",
    }


def test_a_repeated_event_is_accepted_and_saved_once(listener: Listener) -> None:
    """Deliveries may repeat; the same body is the same event."""
    assert [listener.klipit(BODY) for _ in range(3)] == [200] * 3
    assert listener.klipit(BODY + b" ") == 200  # other bytes, another event
    assert listener.saved() == [("webhook", "job_1")] * 2


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(GOOD, id="bare hex"),
        pytest.param(f"sha256={GOOD}", id="prefixed"),
        pytest.param(GOOD.upper(), id="upper-case digits"),
        pytest.param(sign(BODY, "whsec_of_tomorrow"), id="another of the secrets"),
    ],
)
def test_a_good_signature_is_taken(shared_listener: Listener, signature: Any) -> None:
    """Bare or prefixed hex by any of the secrets."""
    assert shared_listener.klipit(BODY, signature) == 200


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param("", id="empty"),
        pytest.param("0" * 64, id="wrong"),
        pytest.param(sign(BODY, "whsec_of_yesterday"), id="a secret no longer listed"),
        pytest.param(sign(BODY, ""), id="the empty secret"),
        pytest.param(sign(BODY, f"whsec_of_tomorrow, {SECRET}"), id="the list as one secret"),
        pytest.param(hashlib.sha256(BODY).hexdigest(), id="no secret at all"),
        pytest.param(sign(BODY + b" "), id="another body"),
        pytest.param("sha256=", id="prefix alone"),
        pytest.param(GOOD[:-1], id="63 digits"),
        pytest.param(GOOD + "0", id="65 digits"),
        pytest.param(f"SHA256={GOOD}", id="another prefix"),
        pytest.param(f"sha1={GOOD}", id="another algorithm"),
        pytest.param(f"sha256={GOOD},sha256={GOOD}", id="a list"),
        pytest.param(f"sha256= {GOOD}", id="a space inside"),
        pytest.param(f'"{GOOD}"', id="quoted"),
        pytest.param(base64.b64encode(bytes.fromhex(GOOD)).decode(), id="base64"),
        pytest.param(f"0x{GOOD}", id="0x"),
        pytest.param("g" * 64, id="no hex"),
        pytest.param(b"\xff" * 64, id="no ASCII"),
        pytest.param("\uff11".encode() * 64, id="other alphabets' digits"),
        pytest.param("a" * 20_000, id="very long"),
    ],
)
def test_any_other_signature_is_refused(shared_listener: Listener, signature: Any) -> None:
    """401, never 500, and nothing is saved."""
    before = shared_listener.saved()
    assert shared_listener.klipit(BODY, signature) == 401
    assert shared_listener.saved() == before


def test_white_space_around_a_header_value_is_none_of_it(shared_listener: Listener) -> None:
    """HTTP allows it, and some proxies leave it there."""
    raw = request(BODY).replace(GOOD.encode(), b" " + GOOD.encode() + b" \t")
    assert shared_listener.raw(raw).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("signatures", [[], [GOOD, GOOD], ["0" * 64, GOOD]])
def test_there_must_be_exactly_one_signature(
    shared_listener: Listener, signatures: list[Any]
) -> None:
    headers = [("x-klipit-signature", each) for each in signatures]
    assert shared_listener.post("/webhooks/klipit", BODY, headers).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"job.complete"',
        b"{}",
        b'{"event": "job.complete"}',
        b'{"job_id": "job_1"}',
        b'{"event": null, "job_id": "job_1"}',
        b'{"event": "job.complete", "job_id": 7}',
        b'{"event": ["job.complete"], "job_id": "job_1"}',
        b'{"event": "\\ud800", "job_id": "job_1"}',
        b'{"event": "job.complete", "job_id": "job_1", "clip_count": NaN}',
        b'{"event": "job.complete", "job_id": "job_1"} {}',
        b'{"event": "job.complete", "job_id": "job_1", "x": "\xff"}',
        '{"event": "job.complete", "job_id": "job_1"}'.encode("utf-16"),
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b'{"event": "job.complete", "job_id": "job_1", "clip_count": ' + b"9" * 5000 + b"}",
        b"event=job.complete&job_id=job_1",
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(shared_listener: Listener, body: Any) -> None:
    """400 and not saved."""
    before = shared_listener.saved()
    assert shared_listener.klipit(body) == 400
    assert shared_listener.saved() == before


@pytest.mark.parametrize(
    "job_id",
    [
        "",
        " ",
        "job_1 ",
        "../account",
        "job_1/clips",
        "job_1?x=1",
        "job_1#x",
        "job%2f1",
        "job_1\r\nx-header: 1",
        "job\x001",
        "job_\ud800",
        "job_\u202e1",
        "https://evil.example",
        "j" * 201,
        "0b7a1c52-9d0e-4b53-8d0f-2d6f3f0c1f6e",
    ],
)
def test_a_signed_event_of_an_impossible_id_is_refused(
    shared_listener: Listener, job_id: str
) -> None:
    """The id will be part of a path: what `track` refuses is not saved here either."""
    before = shared_listener.saved()
    assert shared_listener.klipit(event(job_id)) == 400
    assert shared_listener.saved() == before


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"clip_count": 4.0}, {"clip_count": 4}),
        ({"clip_count": 4.5}, {"clip_count": None}),
        ({"clip_count": "4"}, {"clip_count": None}),
        ({"clip_count": True}, {"clip_count": None}),
        ({"clip_count": 2**63}, {"clip_count": None}),
        ({"error": {"code": 1}}, {"error": None}),
        ({"error": "half a pair: \ud800"}, {"error": "half a pair: ?"}),
        ({"timestamp": "2026-04-08T14:04:12+02:00"}, {"event_at": "2026-04-08T12:04:12+00:00"}),
        ({"timestamp": "yesterday"}, {"event_at": None}),
        ({"timestamp": 1775649852}, {"event_at": None}),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, {"event_at": None}),
        ({"event": "job.rescored"}, {"event": "job.rescored"}),
        ({"event": ""}, {"event": ""}),
        ({"event": "e" * 101}, {"event": "e" * 100}),
        ({"error": "x" * 2001}, {"error": "x" * 2000}),
    ],
)
def test_an_odd_field_does_not_lose_the_event(
    shared_listener: Listener, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    """What does not fit its column is left out; an event of an unknown name is saved."""
    body = event("job_odd", **{"name": fields.pop("event", "job.complete")}, **fields)
    assert shared_listener.klipit(body) == 200
    event_id = hashlib.sha256(body).hexdigest()
    saved = dict(shared_listener.saved("event_id, body"))[event_id]
    assert json.loads(saved) == {**json.loads(saved), **expected}


def test_infinity_in_disguise_is_no_count(shared_listener: Listener) -> None:
    """1e999 is JSON, and Python's infinity."""
    body = b'{"event": "job.complete", "job_id": "job_inf", "clip_count": 1e999}'
    assert shared_listener.klipit(body) == 200


def test_a_body_of_64_kib_is_the_largest(shared_listener: Listener) -> None:
    """At the limit it is read; above it, it is refused by its claimed and by its real length."""
    filler = event("job_1", padding="")
    body = event("job_1", padding="x" * (64 * 1024 - len(filler)))
    assert len(body) == 64 * 1024
    assert shared_listener.klipit(body) == 200
    assert shared_listener.klipit(body + b" ") == 413

    def streamed() -> Iterator[bytes]:
        yield body
        yield b" "

    headers = {"x-klipit-signature": sign(body + b" ")}
    answer = shared_listener.post("/webhooks/klipit", streamed(), headers)
    assert answer.status_code == 413


def test_a_claimed_length_is_refused_before_the_body_is_read(shared_listener: Listener) -> None:
    """A body that is too long is refused before any byte of it is sent."""
    head = b"POST /webhooks/klipit HTTP/1.1\r\nhost: x\r\ncontent-length: 65537\r\n\r\n"
    with shared_listener.connect() as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /webhooks/klipit HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /webhooks/klipit HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
        b"POST /webhooks/klipit HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n"
        b"content-length: 2\r\n\r\n{}",
        b"POST /webhooks/klipit HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n"
        b"\r\n",
        b"POST /webhooks/klipit HTTP/1.1\r\nhost: x\r\ncontent-length: "
        + b"0" * 5000
        + b"\r\n\r\n",
        b"POST /webhooks/klipit HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /webhooks/klipit HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n"
        b"connection: upgrade\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /webhooks/klipit HTTP/1.0\r\n\r\n",
        b"POST /webhooks/%ff%0d%0a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_malformed_requests_are_4xx(shared_listener: Listener, request_bytes: bytes) -> None:
    """Bytes that are hardly HTTP are answered 4xx, and the receiver continues."""
    answer = shared_listener.raw(request_bytes)
    assert answer.startswith(b"HTTP/1.1 4")
    assert shared_listener.klipit(BODY) == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/webhooks/klipit", 405),
        ("PUT", "/webhooks/clipus", 405),
        ("POST", "/healthz", 405),
        ("POST", "/webhooks/klipit/", 404),
        ("POST", "/", 404),
    ],
)
def test_there_is_nothing_else(
    shared_listener: Listener, method: str, path: str, status: int
) -> None:
    answer = shared_listener.client.request(method, path)
    assert answer.status_code == status
    assert "server" not in answer.headers
    assert "location" not in answer.headers


def test_a_body_nested_600_deep_is_an_event_like_others(shared_listener: Listener) -> None:
    """It is recorded; a call of Clipus that is so deep is searched to its ground."""
    deep = b"[" * 600 + b"]" * 600
    body = b'{"event": "job.complete", "job_id": "job_deep", "data": %s}' % deep
    assert shared_listener.klipit(body) == 200
    assert shared_listener.post("/webhooks/clipus", b'{"data": %s}' % deep).status_code == 200
