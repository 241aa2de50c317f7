"""Klipit jobs and clips. The API cannot list, so every run starts from known job ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import dlt

from ..shared.batches import read_in_batches
from ..shared.slots import RateSlots
from ..shared.tables import REJECTED_RECORDS, Chunk, Drift, with_drift
from .client import KlipitClient
from .rows import TABLES, chunk
from .settings import BASE_URL, CLIP_READS, CLIPS, JOBS


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
