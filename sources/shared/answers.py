"""Answers of an API: the decoded body within size limits, the Date, and an error's text.

Neither API documents the exact shape of an error, so its text is looked for under the usual names.
According to its author's page, Klipit's backend is FastAPI, whose own errors are
`{"detail": "…"}` and, for 422, `{"detail": [{"loc": ["body", "source_url"], "msg": "…"}]}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from .errors import BrokenBody
from .redaction import without_secrets

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_OBJECTS = 200_000
"""Most lists and objects in an answer: an empty one takes 2 bytes there and 64 in memory."""
MAX_ERROR_CHARACTERS = 300


@dataclass(frozen=True)
class Answer:
    """A final answer: 2xx, or a 4xx that would stay the same if requested again."""

    status: int
    headers: Mapping[str, str]
    body: Any
    """Decoded JSON; None if it is oversized, or if an answer that needs no JSON has none."""
    observed_at: datetime | None
    """The Date header; None if it is absent or unreadable."""
    oversized: bool = False
    """Whether the body exceeded `MAX_BODY_BYTES` or `MAX_OBJECTS`, and was not decoded."""

    @classmethod
    def of(
        cls, status: int, headers: Mapping[str, str], body: bytearray, *, demand_json: bool
    ) -> Answer:
        """Decode what was read.

        Args:
            demand_json: whether a 2xx body must be JSON.

        Raises:
            BrokenBody: it must be JSON and is not.
        """
        objects = body.count(b"{") + body.count(b"[")
        oversized = len(body) > MAX_BODY_BYTES or objects > MAX_OBJECTS
        decoded = None if oversized else _decoded(body, demanded=demand_json and status < 300)
        return cls(status, headers, decoded, http_date(headers.get("date")), oversized)

    def wrong_shape(self, expected: str) -> str:
        """The reason to reject the whole answer."""
        if self.oversized:
            return (
                f"size: the answer has more than {MAX_BODY_BYTES >> 20} MiB, or more than "
                f"{MAX_OBJECTS} lists and objects"
            )
        return f"shape: the answer {expected}"

    def refusal_reason(self, key: str) -> str:
        """Why a GET's 4xx brought no record: the reason in `rejected_records`."""
        if self.status == 404:
            return "not_found"
        words = without_secrets(error_text(self.body), [key])
        return f"status: {self.status}" + (f": {words}" if words else "")


def is_quota(body: Any) -> bool:
    """Whether a 429 is about a quota, which lasts longer than a run, and not about the rate limit.

    Only its text distinguishes the two. Source: "Monthly limit reached (10/10).", as seen from
    Clipus, whose reference gives 429 both meanings.
    """
    return bool(re.search(r"month|quota|(?<!rate )limit reached", error_text(body), re.I))


def error_text(body: Any) -> str:
    """The error text in an answer's body, on one line, links without queries; "" without one."""
    if isinstance(body, dict):
        for name in ("error", "message", "detail", "title"):
            value = body.get(name)
            if isinstance(value, dict):
                value = error_text(value)
            elif isinstance(value, list):
                value = "; ".join(filter(None, map(_message_and_place, value)))
            if isinstance(value, str) and value.strip():
                line = "".join(c if c.isprintable() else " " for c in value)
                return re.sub(r"\?[^\s?]*=\S*", "?…", " ".join(line.split()))[:MAX_ERROR_CHARACTERS]
    return ""


def _message_and_place(item: Any) -> str:
    """An entry of FastAPI's `detail` list; "" if it is something else."""
    if isinstance(item, str):
        return item
    if not isinstance(item, dict) or not isinstance(item.get("msg"), str):
        return ""
    place = item.get("loc")
    if not isinstance(place, list) or not place:
        return str(item["msg"])
    return f"{'.'.join(map(str, place))}: {item['msg']}"


def retry_after_seconds(value: str | None, now: datetime | None) -> float | None:
    """Seconds that a Retry-After demands, as a number or a date; None if it is unreadable."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    instant = http_date(value)
    if instant is None:
        return None
    return max((instant - (now or datetime.now(UTC))).total_seconds(), 0.0)


@lru_cache(maxsize=64)
def http_date(value: str | None) -> datetime | None:
    """The instant in a Date header (UTC); None if it is absent or unreadable."""
    if value is None:
        return None
    try:
        instant = parsedate_to_datetime(value)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        # Years outside 1 to 9999 overflow. A strange header must not lose the answer.
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
