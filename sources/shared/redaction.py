"""Text without the secrets that it may repeat."""

from __future__ import annotations

from collections.abc import Iterable


def without_secrets(text: str, secrets: Iterable[str | None]) -> str:
    """Text in which each secret is replaced; the longest first, since one may begin another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
