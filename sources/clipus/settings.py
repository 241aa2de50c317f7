"""What the Clipus reference fixes besides tables: the address, the words of a status, its limit.

The number of requests a minute comes with every answer. Source: Clipus API reference, "Rate
limits", "Create a campaign" and "Get campaign status".
"""

from __future__ import annotations

from collections.abc import Iterable

from ..shared.due import Due
from ..shared.slots import Bucket, fingerprint

BASE_URL = "https://www.clipus.io"

# The vendor documents only collecting, rendering and ready; these words are read as ends, and
# anything else as still running.
FINISHED = frozenset({"complete", "completed", "ready", "published", "done"})
FAILED = frozenset({"failed", "error", "cancelled", "canceled"})

SUBMIT_SECONDS = 310.0  # the server may take 300 s (seen); the reference says a few minutes


def requests_bucket(key: str) -> Bucket:
    """Every request under a key."""
    return Bucket("clipus", "requests", fingerprint(key))


def requests_needed(key: str, due: Iterable[Due]) -> dict[Bucket, int]:
    """Requests that due campaigns need: one each."""
    return {requests_bucket(key): len(list(due))}
