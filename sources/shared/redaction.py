"""Removes secrets from text."""

from __future__ import annotations

from collections.abc import Iterable


def without_secrets(text: str, secrets: Iterable[str | None]) -> str:
    """The text with each secret replaced, longest first, since one may be the start of another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
