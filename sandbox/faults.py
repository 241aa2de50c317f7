"""Faults to inject: planned answers by path, or random ones at a rate.

Some kinds replace the API's answer, and the request has no effect; the others spoil the
real answer when it is sent, after the request has had its effect.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.answers import json_answer

INSTEAD = frozenset(
    {
        "error",  # 500, JSON
        "bad_gateway",  # 502, HTML
        "unavailable",  # 503, Retry-After
        "too_many_requests",  # 429, Retry-After
        "redirect",  # 307 to another host
        "answer",  # any status, headers and body
        "drop",  # the connection ends before an answer
    }
)
SPOILED = frozenset(
    {
        "lost",  # the work is done, then the connection ends without an answer
        "truncated",  # Content-Length promises more than comes
        "malformed",  # the right status, half of the JSON
        "empty",  # 200 without a body
        "trickle",  # the right answer in sixteen pieces, `seconds` apart
        "wrong_shape",  # the right JSON, inside a list
    }
)
HANG_UPS = frozenset({"drop", "lost"})
# Faults that a client survives by a retry, without hours of waiting.
TRANSIENT = (
    "error",
    "bad_gateway",
    "unavailable",
    "too_many_requests",
    "drop",
    "truncated",
    "malformed",
    "empty",
    "trickle",
)


@dataclass
class Fault:
    """One fault, for the first `times` requests that match.

    Args:
        kind: a name in INSTEAD or SPOILED.
        path: below the service's base URL, with * and ? as wildcards.
        times: None for every request until `clear()`.
        retry_after: the header's text: seconds, an HTTP date, or anything else.
        seconds: between the pieces of a trickle.
        status, headers, body: for `answer`; a body that is neither text nor bytes is
            sent as JSON.
    """

    kind: str
    path: str = "*"
    method: str = "*"
    times: int | None = 1
    retry_after: str | None = None
    seconds: float = 0.005
    location: str = "http://elsewhere.example/"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = b""
    used: int = 0

    def __post_init__(self) -> None:
        if self.kind not in INSTEAD | SPOILED:
            raise ValueError(f"no fault {self.kind!r}; there are {sorted(INSTEAD | SPOILED)}")

    def matches(self, method: str, path: str) -> bool:
        """Whether it applies to this request and is not used up."""
        return (
            (self.times is None or self.used < self.times)
            and fnmatchcase(method, self.method)
            and fnmatchcase(path, self.path)
        )

    def answer(self) -> Response:
        """The answer of a kind that replaces the API's (`drop` has none)."""
        again = {} if self.retry_after is None else {"retry-after": self.retry_after}
        match self.kind:
            case "error":
                return json_answer({"error": "Internal error"}, 500)
            case "bad_gateway":
                page = "<html><head><title>502 Bad Gateway</title></head><body></body></html>"
                return Response(page, 502, media_type="text/html")
            case "unavailable":
                return json_answer(
                    {"error": "Down for maintenance"}, 503, {"retry-after": "1"} | again
                )
            case "too_many_requests":
                return json_answer({"error": "Too many requests"}, 429, again)
            case "redirect":
                return Response(status_code=307, headers={"location": self.location})
        if isinstance(self.body, str | bytes):
            headers = {"content-type": "application/json", **self.headers}
            return Response(self.body, self.status, headers)
        return json_answer(self.body, self.status, self.headers)


class Faults:
    """The faults to inject. Planned faults come first, in the order of planning."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self.random(0)

    def plan(self, faults: Iterable[Fault | Mapping[str, Any]]) -> None:
        """Add faults, each a `Fault` or its arguments."""
        self._planned += [f if isinstance(f, Fault) else Fault(**f) for f in faults]

    def random(
        self,
        rate: float,
        seed: int = 0,
        *,
        kinds: Sequence[str] = TRANSIENT,
        methods: Sequence[str] = ("GET",),
        in_a_row: int = 2,
    ) -> None:
        """Spoil a share of the requests (0 to 1).

        Never one path more than `in_a_row` times in succession, so that a client which then
        tries again succeeds.
        """
        self._rate, self._kinds, self._methods, self._in_a_row = rate, kinds, methods, in_a_row
        self._chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._in_succession: Counter[str] = Counter()

    def clear(self) -> None:
        """Remove all faults."""
        self._planned.clear()
        self.random(0)

    @property
    def unused(self) -> list[Fault]:
        """Planned faults that were used less often than planned."""
        return [fault for fault in self._planned if fault.used < (fault.times or 1)]

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, if any; it counts as used."""
        for fault in self._planned:
            if fault.matches(method, path):
                fault.used += 1
                return fault
        if self._rate and method in self._methods:
            if self._in_succession[path] < self._in_a_row and self._chance.random() < self._rate:
                self._in_succession[path] += 1
                return Fault(self._chance.choice(self._kinds))
            self._in_succession[path] = 0
        return None


async def send_spoiled(
    fault: Fault, answer: Response, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send an answer, spoiled as the fault says."""
    body = bytes(answer.body)
    match fault.kind:
        case "malformed":
            body = body[: len(body) // 2]
        case "empty":
            answer.status_code, body = 200, b""
        case "wrong_shape":
            body = b"[" + body + b"]"
    promised = len(body) + (1000 if fault.kind == "truncated" else 0)
    headers = [pair for pair in answer.raw_headers if pair[0] != b"content-length"]
    await send(
        {
            "type": "http.response.start",
            "status": answer.status_code,
            "headers": [*headers, (b"content-length", b"%d" % promised)],
        }
    )
    if fault.kind == "truncated":
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await hang_up(scope, receive)
        return
    if fault.kind == "trickle":
        size = len(body) // 16 + 1
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(fault.seconds)
        body = b""
    await send({"type": "http.response.body", "body": body})


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection through its transport, which the server adds to the scope."""
    scope["extensions"]["sandbox.transport"].close()  # bytes written before are still sent
    # The server must have seen the end before we return, or it would answer 500.
    while (await receive())["type"] != "http.disconnect":
        pass
