"""For anything that is sent: only 2xx and 4xx, and nothing is saved without a valid signature."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.listen_client import Listener, sign

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(["job.created", "job.complete", "job.failed"]) | JSON,
        "job_id": st.from_regex(r"\Ajob_[0-9a-z]{4}\Z") | st.text() | JSON,
        "clip_count": st.integers() | JSON,
        "error": st.text() | JSON,
        "timestamp": st.datetimes().map(lambda at: f"{at.isoformat()}Z") | JSON,
    },
).map(lambda value: json.dumps(value).encode())
BODIES = st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()) | EVENTS
SIGNATURES = st.binary(max_size=80) | st.from_regex(r"\A(sha256=)?[0-9a-f]{63,65}\Z").map(
    str.encode
)
HEADER_NAMES = st.sampled_from(
    [
        b"x-klipit-signature",
        b"X-Klipit-Signature",
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"transfer-encoding",
        b"expect",
        b"upgrade",
        b"connection",
        b"host",
        b"cookie",
    ]
)
HEADERS = st.lists(
    st.tuples(
        HEADER_NAMES, SIGNATURES | st.sampled_from([b"chunked", b"gzip", b"100-continue", b"h2c"])
    ),
    max_size=5,
)
PATHS = st.sampled_from([b"/webhooks/klipit", b"/webhooks/clipus", b"/healthz"]) | st.binary(
    max_size=20
).map(lambda raw: b"/" + raw)


def statuses(answer: bytes) -> list[bytes]:
    return [line.split()[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


@settings(max_examples=200, deadline=None, database=None)
@given(path=PATHS, headers=HEADERS, body=BODIES)
@example(path=b"/webhooks/klipit", headers=[(b"x-klipit-signature", b"\xff")], body=b"{}")
def test_nothing_unsigned_is_saved(
    shared_listener: Listener, path: Any, headers: Any, body: Any
) -> None:
    """Raw requests with any headers and bodies."""
    before = shared_listener.saved()
    lines = [b"POST " + path + b" HTTP/1.1", b"host: x", b"content-length: %d" % len(body)]
    lines += [name + b": " + value for name, value in headers]
    answer = shared_listener.raw(b"\r\n".join([*lines, b"", b""]) + body)
    assert {status[:1] for status in statuses(answer)} - {b"1"} in ({b"2"}, {b"4"})
    assert shared_listener.saved() == before


@settings(max_examples=150, deadline=None, database=None)
@given(body=BODIES)
@example(body=b'{"event": "job.complete", "job_id": "job_1", "clip_count": 1e999}')
def test_a_signed_body_is_saved_or_refused(shared_listener: Listener, body: Any) -> None:
    """2xx means that it is in the ledger, 400 that it is not."""
    status = shared_listener.klipit(body, sign(body))
    assert status in (200, 400)
    saved = {event_id for (event_id,) in shared_listener.saved("event_id")}
    assert (hashlib.sha256(body).hexdigest() in saved) == (status == 200)
