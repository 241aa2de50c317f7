"""Klipit's tables: keys, columns and what they mean.

Source: Klipit API reference, sections "Jobs", "Clips" and "Moment types". All are merged by key,
since a job keeps changing until it is complete or failed.
"""

from __future__ import annotations

from ..shared.chunks import ApiTables
from ..shared.tables import Table

JOBS = Table(
    "jobs",
    ("id",),
    "One row per Klipit job that the API has answered for, as last answered.",
    {
        "id": ("text", "Klipit job id; the key."),
        "status": ("text", "queued, transcribing, clipping, complete or failed; an open list."),
        "clip_count": ("bigint", "Clips by the API's count; NULL until it has one. Count clips."),
        "duration_seconds": ("double", "Length of the episode in seconds; NULL until known."),
        "created_at": ("timestamp", "When the job was created (UTC instant)."),
        "completed_at": ("timestamp", "When it was complete (UTC instant); NULL while it runs."),
        "error": ("text", "Why it failed, in the API's words; NULL otherwise."),
        "observed_at": ("timestamp", "When the API gave this answer (its Date, UTC instant)."),
    },
)
CLIPS = Table(
    "clips",
    ("id",),
    "One row per clip of a complete job, as last read.",
    {
        "id": ("text", "Klipit clip id; the key."),
        "job_id": ("text", "Job that the clip was cut from; the API's answer omits it."),
        "moment_type": ("text", "Kind of moment, e.g. bold_prediction; an open list."),
        "shareability_score": ("double", "Points, higher is better; NULL if unscored."),
        "reason": ("text", "Why it may be shared, in the API's words; NULL if it gives none."),
        "hook_suggestion": ("text", "A first line for the post; NULL if the API gives none."),
        "start_seconds": ("double", "Where the clip starts in the episode, in seconds."),
        "end_seconds": ("double", "Where it ends in the episode, in seconds."),
        "duration_seconds": ("double", "Its length in seconds; fractions occur."),
        "media_url": ("text", "Download link; NULL until there is one. It may expire."),
        "observed_at": ("timestamp", "When the API gave this answer (its Date, UTC instant)."),
    },
    parent="job_id",  # a new scoring may drop clips, so a read replaces those of its job
    stamped=frozenset({"job_id", "observed_at"}),
)
CLIP_READS = Table(
    "clip_reads",
    ("job_id",),
    "One row per job whose clips were read, for the latest read.",
    {
        "job_id": ("text", "Klipit job id; the key."),
        "observed_at": ("timestamp", "When the clips were read (the answer's Date, UTC instant)."),
        "clips": ("bigint", "Records in the answer, rejected ones included."),
    },
)
JOB_OBSERVATIONS = Table(
    "job_observations",
    ("observation_id",),
    "One row per change of a job's status, as seen by polling.",
    {
        "observation_id": ("text", "Key of the observation."),
        "job_id": ("text", "Klipit job id."),
        "status": ("text", "The status then; not_found if a loaded job is answered by 404."),
        "observed_at": ("timestamp", "When it was first seen (the answer's Date, UTC instant)."),
    },
)
ACCOUNT_SNAPSHOTS = Table(
    "account_snapshots",
    ("observed_at",),
    "The credit balance at an instant; saved if it differs or is the UTC day's first.",
    {
        "observed_at": ("timestamp", "When this was the balance (UTC instant); the key."),
        "balance": ("double", "Credits left."),
        "origin": ("text", "api: the account reported it; hand: a person entered it."),
    },
    parent="observed_at",  # one that a person took back is removed
)
TABLES = ApiTables(
    "klipit",
    records=JOBS,
    children=CLIPS,
    reads=CLIP_READS,
    observations=JOB_OBSERVATIONS,
    account=ACCOUNT_SNAPSHOTS,
)
