"""What the Klipit reference fixes: address, limits, tables.

Source: Klipit API reference, sections "Jobs", "Clips", "Export", "Webhooks" and "Rate limits".
"""

from __future__ import annotations

from ..shared.slots import Bucket
from ..shared.tables import Table

BASE_URL = "https://api.tryklipit.com/api/v1"
ACCOUNT_PATH = "/account"  # undocumented; the scope account:read says that it exists
BALANCE_NAMES = ("credits", "credit_balance", "balance")  # undocumented; the likely ones

FINISHED = frozenset({"complete", "completed", "ready", "published", "done"})
FAILED = frozenset({"failed", "error", "cancelled", "canceled"})

JOBS = Table(
    "jobs",
    ("id",),
    {
        "id": "text",
        "status": "text",
        "clip_count": "bigint",
        "duration_seconds": "double",
        "created_at": "timestamp",
        "completed_at": "timestamp",
        "error": "text",
        "observed_at": "timestamp",
    },
)
CLIPS = Table(
    "clips",
    ("id",),
    {
        "id": "text",
        "job_id": "text",
        "moment_type": "text",
        "shareability_score": "double",
        "reason": "text",
        "hook_suggestion": "text",
        "start_seconds": "double",
        "end_seconds": "double",
        "duration_seconds": "double",
        "media_url": "text",
        "observed_at": "timestamp",
    },
    parent="job_id",
    stamped=frozenset({"job_id", "observed_at"}),
)
CLIP_READS = Table(
    "clip_reads",
    ("job_id",),
    {"job_id": "text", "observed_at": "timestamp", "clips": "bigint"},
)
JOB_OBSERVATIONS = Table(
    "job_observations",
    ("observation_id",),
    {
        "observation_id": "text",
        "job_id": "text",
        "status": "text",
        "observed_at": "timestamp",
    },
)
ACCOUNT_SNAPSHOTS = Table(
    "account_snapshots",
    ("observed_at",),
    {"observed_at": "timestamp", "balance": "double", "origin": "text"},
    parent="observed_at",  # one that a person took back is removed
)


# No time is documented; these are long enough for an answer, and for 2 GB at 1 Mbit/s.
SUBMIT_SECONDS = 60.0
EXPORT_SECONDS = 120.0
UPLOAD_SECONDS = 5 * 3600.0

# The reference names no error; these are the usual meanings of their numbers.
SUBMIT_ADVICE = {
    402: "Add credits to the Klipit account, then submit again.",
    404: "Set KLIPIT_BASE_URL to the API's address, or unset it.",
    405: "Set KLIPIT_BASE_URL to the API's address, or unset it.",
    413: "Send a smaller file, such as the sound alone, or its address with --source-url.",
    422: "Check that the address opens for everybody, or that the file plays, and submit again.",
}
EXPORT_ADVICE = {
    402: "Add credits to the Klipit account, then export again.",
    404: "Check the job's id: `clipmart ids klipit` prints those that are known.",
    409: "The job must be complete first; `clipmart sync` follows it.",
}


def submissions_bucket(key: str) -> Bucket:
    return Bucket("klipit", "submissions", key, per_minute=10, longest_seconds=UPLOAD_SECONDS)


def polls_bucket(key: str) -> Bucket:
    return Bucket("klipit", "polls", key, per_minute=60)


def clips_bucket(key: str) -> Bucket:
    return Bucket("klipit", "clips", key, per_minute=120)
