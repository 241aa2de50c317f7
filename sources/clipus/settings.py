"""What the Clipus reference says, except for tables: address, status words, the limit's scope.

The limit itself, in requests a minute, comes with every answer. Source: Clipus API reference, "Rate
limits", "Create a campaign" and "Get campaign status".
"""

from __future__ import annotations

from collections.abc import Iterable

from ..shared.due import Due
from ..shared.slots import Bucket, fingerprint

BASE_URL = "https://www.clipus.io"

# The vendor documents only collecting, rendering and ready. These words mean that a campaign has
# ended; any other means that it is still running.
FINISHED = frozenset({"complete", "completed", "ready", "published", "done"})
FAILED = frozenset({"failed", "error", "cancelled", "canceled"})

SUBMIT_SECONDS = 310.0  # the server was seen to take 300 s; the reference says a few minutes


def requests_bucket(key: str) -> Bucket:
    """Every request under a key."""
    return Bucket("clipus", "requests", fingerprint(key))


def requests_needed(key: str, due: Iterable[Due]) -> dict[Bucket, int]:
    """Requests that due campaigns need: one each."""
    return {requests_bucket(key): len(list(due))}
