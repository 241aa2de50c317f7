"""Klipit jobs and clips. The API cannot list, so every run starts from known job ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import dlt

from ..shared.batches import read_in_batches
from ..shared.slots import RateSlots
from ..shared.tables import (
    REJECTED_RECORDS,
    REMOVED,
    Chunk,
    Drift,
    Rejected,
    Table,
    digest,
    with_drift,
)
from .client import JobRead, KlipitClient
from .settings import (
    ACCOUNT_SNAPSHOTS,
    BASE_URL,
    CLIP_READS,
    CLIPS,
    JOB_OBSERVATIONS,
    JOBS,
)

TABLES = (JOBS, CLIPS, CLIP_READS, JOB_OBSERVATIONS, ACCOUNT_SNAPSHOTS)


# The section of its settings would else be this module's name.
@dlt.source(name="klipit", section="klipit", max_table_nesting=0)
def klipit_source(
    job_ids: Iterable[str],
    api_key: str = dlt.secrets.value,
    base_url: str = BASE_URL,
    minute_seconds: float = 60.0,
) -> Any:
    """Jobs, their clips, and what was read when, for any `dlt.pipeline`.

    Args:
        job_ids: the jobs to ask for; what is still worth asking is the caller's to know.
        api_key: `sources.klipit.api_key` in secrets.toml, or SOURCES__KLIPIT__API_KEY.
        minute_seconds: length of the API's rate minute; 0 sends unpaced.

    Resources: `jobs` (key id), `clips` (key id; a read replaces its job's clips), `clip_reads`
    (key job_id), `rejected_records` (key record_id). All merge.

    Raises:
        FixConfiguration: the key is refused, or lacks the scopes jobs:read and clips:read.
    """

    @dlt.resource(name="job_reads", selected=False)
    def job_reads() -> Iterator[Chunk]:
        drift = Drift.of_schema(dlt.current.source_schema(), TABLES)
        for reads in read_in_batches(
            job_ids,
            lambda api, now: KlipitClient(api, now).read,
            name="klipit",
            key_variable="SOURCES__KLIPIT__API_KEY",
            base_url=base_url,
            key=api_key,
            slots=RateSlots.in_memory(minute_seconds),
        ):
            yield chunk(reads, drift, None)

    return [
        job_reads,
        *(with_drift(job_reads, t) for t in (JOBS, CLIPS, CLIP_READS)),
        with_drift(job_reads, REJECTED_RECORDS),
    ]


def chunk(reads: Iterable[JobRead], drift: Drift, last_status: Mapping[str, str] | None) -> Chunk:
    """What some jobs' requests brought, as rows by table.

    Args:
        drift: types of undocumented columns; extended by new ones.
        last_status: job id → status last observed; None to note no observations.
    """
    made = Chunk(drift)
    for read in reads:
        if read.found or (last_status or {}).get(read.job_id) is None:
            made.rejected += read.rejected
        if read.job is not None:
            _add(made, JOBS, read.job, read.job_id, read.observed_at)
        if read.clips is not None:
            for clip in read.clips:
                _add(made, CLIPS, clip, clip["id"], read.observed_at)
            if not read.clips:
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


def _add(made: Chunk, table: Table, row: dict[str, Any], id_: str, seen_at: datetime) -> None:
    for name, value in made.add(table, row):
        payload = {"column": name, "value": value}
        made.rejected.append(Rejected("klipit", table.name, id_, "field", payload, seen_at))


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
