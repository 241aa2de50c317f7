"""Reading requests and writing answers, for both APIs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from sandbox.accounts import Refused


def json_answer(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer with a JSON body, even with NaN: a changed API could send that too."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(body, status, headers, media_type="application/json")


def bearer(request: Request) -> str | None:
    """The key in the Authorization header; None without a bearer token."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def sent_key(request: Request) -> str | None:
    """The key of a request, in either of the headers that Clipus reads."""
    return request.headers.get("x-api-key") or bearer(request)


async def json_object(request: Request) -> dict[str, Any]:
    """The request's body.

    Raises:
        Refused: 400, the body is not a JSON object.
    """
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise Refused(400, "invalid_json", "The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise Refused(400, "invalid_json", "The body must be a JSON object.")
    return body


def is_web_url(value: object) -> bool:
    """Whether it is the text of an http(s) URL with a host."""
    if not isinstance(value, str) or any(letter.isspace() for letter in value):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def is_text_list(value: object) -> bool:
    """Whether it is a list of texts that are not empty."""
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)
