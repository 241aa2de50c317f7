"""Klipit: a podcast episode becomes a job, the job becomes clips; credits are spent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sources.klipit import settings
from sources.klipit.tables import ACCOUNT_SNAPSHOTS, TABLES
from sources.shared.chunks import Read
from sources.shared.tables import Table

from .record import SEQ, Service

if TYPE_CHECKING:
    from sources.klipit.client import KlipitClient
    from sources.shared.http import Api

SUBMISSIONS = Table(
    "submissions",
    ("submission_id",),
    "One row per known job id or submission, with what was entered when it was sent.",
    {
        "submission_id": ("text", "Key of the submission or the known id."),
        "origin": ("text", "How the id became known: submit, import or webhook."),
        "state": ("text", "known: it has a job; unknown: the answer was lost; failed: refused."),
        "job_id": ("text", "Klipit job id; NULL while the outcome is unknown or if it failed."),
        "source_url": ("text", "Episode that was submitted; NULL for a file or if not given."),
        "file_name": ("text", "Name of the file that was sent; NULL for a link."),
        "show_name": ("text", "Show, as submitted; NULL if not given. No answer repeats it."),
        "guest_name": ("text", "Guest, as submitted; NULL if not given."),
        "description": ("text", "Description, as submitted; NULL if not given."),
        "platforms": ("json", "Platforms requested, a JSON array of text; NULL if not given."),
        "error": ("text", "Why the submission failed; NULL otherwise."),
        "submitted_at": ("timestamp", "When it was sent (UTC instant); NULL if not known."),
        "recorded_at": ("timestamp", "When it was last recorded here (UTC instant)."),
        "untracked_at": ("timestamp", "When `clipmart untrack` removed it; NULL while tracked."),
        SEQ: ("bigint", ""),
    },
    parent="submission_id",
)
WEBHOOK_EVENTS = Table(
    "webhook_events",
    ("event_id",),
    "One row per distinct webhook call with a valid signature.",
    {
        "event_id": ("text", "SHA-256 of the body; the key, so a repeated call is one row."),
        "event": ("text", "job.created, job.complete or job.failed; an open list."),
        "job_id": ("text", "Klipit job id."),
        "clip_count": ("bigint", "Clips, by the count of job.complete; NULL otherwise."),
        "error": ("text", "Why the job failed, by job.failed; NULL otherwise."),
        "event_at": ("timestamp", "The event's own timestamp (UTC instant); NULL if it has none."),
        "received_at": ("timestamp", "When it arrived here (UTC instant)."),
        SEQ: ("bigint", ""),
    },
)
EXPORTS = Table(
    "exports",
    ("export_id",),
    "One row per export requested of a job for a platform and format; none for a refused one.",
    {
        "export_id": ("text", "Digest of job, platform and format; the key."),
        "job_id": ("text", "Klipit job id."),
        "platform": ("text", "tiktok, reels, shorts, linkedin or twitter; NULL if not given."),
        "format": ("text", "mp4 or zip."),
        "state": ("text", "What became of the last request: ready, not_ready or unknown."),
        "export_url": ("text", "The last download link; NULL while none was ready."),
        "expires_at": ("timestamp", "When the link ends (UTC instant); NULL if not known."),
        "requested_at": ("timestamp", "When it was last requested (UTC instant)."),
        SEQ: ("bigint", ""),
    },
    parent="export_id",
)

# The reference names no error; these are the usual meanings of their numbers.
EXPORT_ADVICE = {
    402: "Add credits to the Klipit account, then export again.",
    404: "Check the job's id: `clipmart ids klipit` prints those that are known.",
    409: "The job must be complete first; `clipmart sync` follows it.",
}
_ADDRESS = "Set KLIPIT_BASE_URL to the API's address, or unset it."


def _client(api: Api, now: Callable[[], datetime]) -> KlipitClient:
    from sources.klipit.client import KlipitClient

    return KlipitClient(api, now)


def _clips(read: Read) -> str:
    count = (read.record or {}).get("clip_count")
    return "" if count is None else f" with {count} clip{'' if count == 1 else 's'}"


KLIPIT = Service(
    name="klipit",
    thing="job",
    subject="episode",
    id_name="job_id",
    url_name="source_url",
    api=TABLES,
    submissions=SUBMISSIONS,
    events=(WEBHOOK_EVENTS, EXPORTS, ACCOUNT_SNAPSHOTS),
    base_url=settings.BASE_URL,
    finished=settings.FINISHED,
    failed=settings.FAILED,
    client=_client,
    requests_needed=settings.requests_needed,
    worklist=Path(__file__).with_name("klipit_worklist.sql"),
    csv={
        **{"job_id": "job_id", "id": "job_id"},
        **{"show_name": "show_name", "show": "show_name"},
        **{"guest_name": "guest_name", "guest": "guest_name"},
        **{"description": "description", "platforms": "platforms"},
        **{"source_url": "source_url", "url": "source_url"},
        "submitted_at": "submitted_at",
    },
    id_pattern=r"job_.*",
    account_path=settings.ACCOUNT_PATH,
    account_missing=(
        "This key or API reports no balance; enter one with `clipmart credits BALANCE`."
    ),
    submit_advice={
        402: "Add credits to the Klipit account, then submit again.",
        404: _ADDRESS,
        405: _ADDRESS,
        413: "Send a smaller file, such as the sound alone, or its address with --source-url.",
        422: "Check that the address opens for everybody or that the file plays; submit again.",
    },
    longest_wait_seconds=2 * 3600.0,
    progress=_clips,
    unclaimed="""
        SELECT e.job_id, NULL, min(COALESCE(e.event_at, e.received_at))
        FROM klipit.webhook_events AS e
        JOIN klipit.submissions AS s ON s.job_id = e.job_id AND s.origin = 'webhook'
        WHERE e.event = 'job.created' AND $tracked GROUP BY e.job_id ORDER BY e.job_id""",
    failures="""
        SELECT job_id AS id, show_name AS name, error AS reason, outcome,
          LEAST(COALESCE(created_at, completed_at, observed_at), observed_at) AS began_at
        FROM staging.stg_klipit__jobs""",
    progress_view="staging.stg_klipit__job_progress",
    progress_report="job-turnaround",
)
