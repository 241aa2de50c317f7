"""Klipit jobs and clips. The API cannot list, so every run starts from known job ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import dlt

from ..shared.chunks import REJECTED_RECORDS, Chunk
from ..shared.incremental import incremental_chunks
from ..shared.resources import resources
from .client import KlipitClient
from .settings import BASE_URL
from .tables import CLIP_READS, CLIPS, JOBS


# Without `section`, dlt would look for the settings under this module's name.
@dlt.source(name="klipit", section="klipit", max_table_nesting=0)
def klipit_source(
    job_ids: Iterable[str],
    api_key: str = dlt.secrets.value,
    base_url: str = BASE_URL,
    minute_seconds: float = 60.0,
    refresh: bool = False,
) -> Any:
    """Jobs, their clips and when they were read, for any `dlt.pipeline`.

    A later run does not request a job that failed, or that is complete with its clips read.

    Args:
        job_ids: the jobs to follow.
        api_key: `sources.klipit.api_key` in secrets.toml, or SOURCES__KLIPIT__API_KEY.
        minute_seconds: length of the API's rate minute; 0 sends unpaced.
        refresh: request every job, settled or not.

    Resources: `jobs` (key id), `clips` (key id; a read replaces its job's clips), `clip_reads`
    (key job_id), `rejected_records` (key record_id). All merge.

    Raises:
        FixConfiguration: the key is refused, lacks the scopes jobs:read and clips:read, or sees
            none of the jobs.
        RequestFailed, TryAgainLater: the API does not answer; nothing of the run lands.
    """

    def reads() -> Iterator[Chunk]:
        return incremental_chunks(
            KlipitClient,
            job_ids,
            base_url=base_url,
            api_key=api_key,
            minute_seconds=minute_seconds,
            refresh=refresh,
        )

    return resources(reads, JOBS, CLIPS, CLIP_READS, REJECTED_RECORDS)
