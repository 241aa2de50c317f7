"""Clipus's answers as rows by table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..shared.tables import REMOVED, Chunk, Drift, digest
from .settings import (
    CAMPAIGN_OBSERVATIONS,
    CAMPAIGNS,
    PLAN_OBSERVATIONS,
    VIDEO_OBSERVATIONS,
    VIDEOS,
)

if TYPE_CHECKING:
    from .client import CampaignRead

TABLES = (CAMPAIGNS, VIDEOS, CAMPAIGN_OBSERVATIONS, VIDEO_OBSERVATIONS, PLAN_OBSERVATIONS)


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
            made.add_record("clipus", CAMPAIGNS, read.campaign, read.campaign_id, read.observed_at)
        for video in read.videos or []:
            made.add_record(
                "clipus", VIDEOS, video, f"{read.campaign_id}/{video['id']}", read.observed_at
            )
        if read.videos == []:
            gone = {"campaign_id": read.campaign_id, "id": read.campaign_id, REMOVED: True}
            made.add(VIDEOS, {**gone, "observed_at": read.observed_at})
        if last_status is not None:
            _observe(made, read, last_status, last_video_status or {})
    return made


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
