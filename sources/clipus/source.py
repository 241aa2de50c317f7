"""Clipus campaigns and videos. The API cannot list, so every run starts from known campaign ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import dlt

from ..shared.batches import read_in_batches
from ..shared.slots import RateSlots
from ..shared.tables import REJECTED_RECORDS, Chunk, Drift, with_drift
from .client import ClipusClient
from .rows import TABLES, chunk
from .settings import BASE_URL, CAMPAIGNS, VIDEOS


# The section of its settings would else be this module's name.
@dlt.source(name="clipus", section="clipus", max_table_nesting=0)
def clipus_source(
    campaign_ids: Iterable[str],
    api_key: str = dlt.secrets.value,
    base_url: str = BASE_URL,
    minute_seconds: float = 60.0,
) -> Any:
    """Campaigns and their videos, for any `dlt.pipeline`.

    Args:
        campaign_ids: the campaigns to ask for; what is worth asking is the caller's to know.
        api_key: `sources.clipus.api_key` in secrets.toml, or SOURCES__CLIPUS__API_KEY.
        minute_seconds: length of the API's rate minute; 0 sends unpaced. The number of requests
            a minute is learnt from the answers; until then one is sent at a time.

    Resources: `campaigns` (key campaign_id), `videos` (key campaign_id, id; a read replaces its
    campaign's videos), `rejected_records` (key record_id). All merge.

    Raises:
        FixConfiguration: the key is refused, or its plan has no API access.
    """

    @dlt.resource(name="campaign_reads", selected=False)
    def campaign_reads() -> Iterator[Chunk]:
        drift = Drift.of_schema(dlt.current.source_schema(), TABLES)
        for reads in read_in_batches(
            campaign_ids,
            lambda api, now: ClipusClient(api, now).poll,
            name="clipus",
            key_variable="SOURCES__CLIPUS__API_KEY",
            base_url=base_url,
            key=api_key,
            slots=RateSlots.in_memory(minute_seconds),
        ):
            yield chunk(reads, drift, None, None)

    return [
        campaign_reads,
        *(with_drift(campaign_reads, t) for t in (CAMPAIGNS, VIDEOS, REJECTED_RECORDS)),
    ]
