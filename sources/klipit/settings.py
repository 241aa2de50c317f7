"""What the Klipit reference says, except for tables: address, limits and status words.

Source: Klipit API reference, sections "Jobs", "Export" and "Rate limits".
"""

from __future__ import annotations

from collections.abc import Iterable

from ..shared.due import Due
from ..shared.slots import Bucket, fingerprint

BASE_URL = "https://api.tryklipit.com/api/v1"
ACCOUNT_PATH = "/account"  # undocumented; the scope account:read suggests it
BALANCE_NAMES = ("credits", "credit_balance", "balance")  # undocumented; these are likely

FINISHED = frozenset({"complete", "completed", "ready", "published", "done"})
FAILED = frozenset({"failed", "error", "cancelled", "canceled"})

# No time limit is documented. These are long enough for an answer, and for 2 GB at 1 Mbit/s.
SUBMIT_SECONDS = 60.0
EXPORT_SECONDS = 120.0
UPLOAD_SECONDS = 5 * 3600.0


def submissions_bucket(key: str) -> Bucket:
    """POST /jobs under a key."""
    name = fingerprint(key)
    return Bucket("klipit", "submissions", name, per_minute=10, longest_seconds=UPLOAD_SECONDS)


def polls_bucket(key: str) -> Bucket:
    """GET /jobs/{id} under a key."""
    return Bucket("klipit", "polls", fingerprint(key), per_minute=60)


def clips_bucket(key: str) -> Bucket:
    """GET /jobs/{id}/clips under a key."""
    return Bucket("klipit", "clips", fingerprint(key), per_minute=120)


def requests_needed(key: str, due: Iterable[Due]) -> dict[Bucket, int]:
    """The most requests that due jobs can need: each polled job is counted with a clip read."""
    jobs = list(due)
    return {polls_bucket(key): sum(job.poll for job in jobs), clips_bucket(key): len(jobs)}
