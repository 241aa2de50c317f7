"""Klipit's answers as rows by table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..shared.tables import REMOVED, Chunk, Drift, Rejected, digest
from .settings import ACCOUNT_SNAPSHOTS, CLIP_READS, CLIPS, JOB_OBSERVATIONS, JOBS

if TYPE_CHECKING:
    from .client import JobRead

TABLES = (JOBS, CLIPS, CLIP_READS, JOB_OBSERVATIONS, ACCOUNT_SNAPSHOTS)


def chunk(
    reads: Iterable[JobRead],
    drift: Drift,
    last_status: Mapping[str, str] | None,
    clip_jobs: Mapping[str, str] | None = None,
) -> Chunk:
    """What some jobs' requests brought, as rows by table.

    Args:
        drift: types of undocumented columns; extended by new ones.
        last_status: job id → status last observed; None to note no observations.
        clip_jobs: clip id → job id as landed. A clip never moves from one job to another by itself.
    """
    made = Chunk(drift)
    jobs_by_clip = dict(clip_jobs or {})
    for read in reads:
        if read.found or (last_status or {}).get(read.job_id) is None:
            made.rejected += read.rejected
        if read.job is not None:
            made.add_record("klipit", JOBS, read.job, read.job_id, read.observed_at)
        if read.clips is not None:
            clips = []
            for clip in read.clips:
                if (job_id := jobs_by_clip.setdefault(clip["id"], read.job_id)) == read.job_id:
                    clips.append(clip)
                else:
                    reason = f"key: id is already that of a clip of {job_id}"
                    record = {name: clip[name] for name in clip if name not in CLIPS.stamped}
                    made.rejected.append(
                        Rejected.child(
                            "klipit", CLIPS, read.job_id, reason, record, read.observed_at
                        )
                    )
            for clip in clips:
                made.add_record("klipit", CLIPS, clip, clip["id"], read.observed_at)
            if not clips:
                gone = {"id": read.job_id, "job_id": read.job_id, REMOVED: True}
                made.add(CLIPS, {**gone, "observed_at": read.observed_at})
            count = len(read.clips) + sum(
                r.endpoint == "clips" and r.reason != "field" for r in read.rejected
            )
            made.add(
                CLIP_READS,
                {"job_id": read.job_id, "observed_at": read.observed_at, "clips": count},
            )
        if last_status is not None:
            _observe(made, read, last_status)
    return made


def _observe(made: Chunk, read: JobRead, last_status: Mapping[str, str]) -> None:
    status = read.job.get("status") if read.job else None if read.found else "not_found"
    last = last_status.get(read.job_id)
    if status is None or status == last or (status == "not_found" and last is None):
        return
    made.add(
        JOB_OBSERVATIONS,
        {
            "observation_id": digest(read.job_id, status, read.observed_at.isoformat()),
            "job_id": read.job_id,
            "status": status,
            "observed_at": read.observed_at,
        },
    )
