"""Clipus campaigns and videos. The API cannot list, so every run starts from known campaign ids."""

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
    Row,
    Table,
    digest,
    with_drift,
)
from .client import CampaignRead, ClipusClient
from .settings import (
    BASE_URL,
    CAMPAIGN_OBSERVATIONS,
    CAMPAIGNS,
    PLAN_OBSERVATIONS,
    VIDEO_OBSERVATIONS,
    VIDEOS,
)

TABLES = (CAMPAIGNS, VIDEOS, CAMPAIGN_OBSERVATIONS, VIDEO_OBSERVATIONS, PLAN_OBSERVATIONS)


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


def chunk(
    reads: Iterable[CampaignRead],
    drift: Drift,
    last_status: Mapping[str, str] | None,
    last_video_status: Mapping[tuple[str, str], str] | None,
) -> Chunk:
    """What some campaigns' requests brought, as rows by table.

    Args:
        drift: types of undocumented columns; extended by new ones.
        last_status: campaign id → status last observed; None to note no observations.
        last_video_status: (campaign id, video id) → status last observed.
    """
    made = Chunk(drift)
    for read in reads:
        if read.found or (last_status or {}).get(read.campaign_id) is None:
            made.rejected += read.rejected
        if read.campaign is not None:
            _add(made, CAMPAIGNS, read.campaign, read.campaign_id, read.observed_at)
        for video in read.videos or []:
            _add(made, VIDEOS, video, f"{read.campaign_id}/{video['id']}", read.observed_at)
        if read.videos == []:
            gone = {"campaign_id": read.campaign_id, "id": read.campaign_id, REMOVED: True}
            made.add(VIDEOS, {**gone, "observed_at": read.observed_at})
        if last_status is not None:
            _observe(made, read, last_status, last_video_status or {})
    return made


def _add(made: Chunk, table: Table, row: Row, id_: str, seen_at: datetime) -> None:
    for name, value in made.add(table, row):
        payload = {"column": name, "value": value}
        made.rejected.append(Rejected("clipus", table.name, id_, "field", payload, seen_at))


def _observe(
    made: Chunk,
    read: CampaignRead,
    last_status: Mapping[str, str],
    last_video_status: Mapping[tuple[str, str], str],
) -> None:
    status = read.campaign.get("status") if read.campaign else None if read.found else "not_found"
    last = last_status.get(read.campaign_id)
    at = read.observed_at
    if status is not None and status != last and not (status == "not_found" and last is None):
        made.add(
            CAMPAIGN_OBSERVATIONS,
            {
                "observation_id": digest(read.campaign_id, status, at.isoformat()),
                "campaign_id": read.campaign_id,
                "status": status,
                "observed_at": at,
            },
        )
    for video in read.videos or []:
        status = video.get("status")
        if status is None or status == last_video_status.get((read.campaign_id, video["id"])):
            continue
        made.add(
            VIDEO_OBSERVATIONS,
            {
                "observation_id": digest(read.campaign_id, video["id"], status, at.isoformat()),
                "campaign_id": read.campaign_id,
                "video_id": video["id"],
                "status": status,
                "observed_at": at,
            },
        )
