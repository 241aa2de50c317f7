"""What a webhook's body says, and whether it comes from its service.

Klipit signs its bodies: each is an event of a job. Clipus signs nothing: a token may prove that we
requested the call, and its body may name a campaign somewhere.

Source: Klipit API reference, "Webhooks". An event has no id: its body's SHA-256 serves as one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from starlette.exceptions import HTTPException

from pipelines.ids.parse import refusal
from pipelines.ledger.ledger import Event
from pipelines.service import KLIPIT
from pipelines.settings import Settings
from sources.shared.signatures import is_signed
from sources.shared.values import instant

# Limits of what is stored, even from a sender that has the secret.
EVENT_CHARACTERS, ERROR_CHARACTERS = 100, 2000
CLOCKS_DIFFER = timedelta(minutes=5)


def check_klipit_signature(settings: Settings, body: bytes, signatures: Sequence[str]) -> None:
    """Refuse a body without exactly one signature, made with one of the secrets."""
    if len(signatures) != 1 or not is_signed(
        body, signatures[0].strip(), settings.klipit_webhook_secrets
    ):
        raise HTTPException(401, "The signature is missing or wrong.")


def klipit_event(body: bytes, now: datetime) -> Event:
    """The event in a signed body."""
    payload = _json_object(body)
    name, job_id = _storable_text(payload.get("event")), _storable_text(payload.get("job_id"))
    event_at = _parsed_instant(payload.get("timestamp"))
    if event_at is not None and event_at > now + CLOCKS_DIFFER:
        event_at = now  # ahead of the clock, it would make the job due again and again until then
    if name is None or job_id is None:
        raise HTTPException(400, "The body lacks `event` or `job_id` as text.")
    # The id becomes part of a path when the job is polled.
    if refusal(KLIPIT.name, job_id) is not None:
        raise HTTPException(400, "`job_id` is not one that a job can have.")
    error = payload.get("error")
    fields = {
        "event": name[:EVENT_CHARACTERS],
        "job_id": job_id,
        "clip_count": _whole_number(payload.get("clip_count")),
        "error": _truncated(error, ERROR_CHARACTERS) if isinstance(error, str) else None,
        "event_at": event_at and event_at.isoformat(),
    }
    return Event(KLIPIT.name, "webhook", hashlib.sha256(body).hexdigest(), job_id, now, fields)


def check_clipus_token(settings: Settings, tokens: Sequence[str]) -> None:
    """Refuse a call without the token, if one is set."""
    expected = settings.clipus_webhook_token
    if expected is not None and not (
        len(tokens) == 1 and hmac.compare_digest(tokens[0].encode(), expected.encode())
    ):
        raise HTTPException(401, "The token is missing or wrong.")


def clipus_texts(body: bytes) -> set[str]:
    """Every text in it, however deep: where Clipus puts the campaign's id is undocumented."""
    texts: set[str] = set()
    remaining: list[Any] = [_json_object(body)]
    while remaining:
        value = remaining.pop()
        if isinstance(value, str):
            texts.add(value)
        elif isinstance(value, dict):
            remaining += value.values()
        elif isinstance(value, list):
            remaining += value
    return texts


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The body is not JSON.") from error
    if not isinstance(payload, dict):
        raise HTTPException(400, "The body is not a JSON object.")
    return payload


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are Python's, not JSON's


def _storable_text(value: Any) -> str | None:
    """Text that a table can store: half a surrogate pair is not."""
    with suppress(UnicodeEncodeError):
        if isinstance(value, str):
            value.encode()
            return value
    return None


def _whole_number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with suppress(OverflowError, ValueError):
        if value == int(value) and -(2**63) <= value < 2**63:
            return int(value)
    return None


def _truncated(text: str, characters: int) -> str:
    """The beginning of a text, as a table can store it."""
    return text[:characters].encode("utf-8", "replace").decode()


def _parsed_instant(value: Any) -> datetime | None:
    with suppress(ValueError):
        return instant(value) if isinstance(value, str) else None
    return None
