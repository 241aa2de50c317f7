"""HMAC-SHA256 signatures of webhook bodies."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

_HEX = re.compile(r"(?:sha256=)?([0-9A-Fa-f]{64})")


def is_signed(body: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """Whether any of the secrets signed these bytes. Malformed input counts as not signed.

    Args:
        signature: the header's value: 64 hex digits of either case, bare or after `sha256=`. The
            encoding is undocumented; everything else is refused.
        secrets: several during a rotation; without any, nothing counts as signed.
    """
    match = _HEX.fullmatch(signature)
    if match is None:
        return False
    given = bytes.fromhex(match[1])
    matches = [
        hmac.compare_digest(given, hmac.digest(secret.encode(), body, hashlib.sha256))
        for secret in secrets
    ]
    return any(matches)  # only now, so that the time taken does not reveal which secret matched
