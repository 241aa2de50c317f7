"""Clipus's tables: keys, columns and what they mean.

Source: Clipus API reference, "Get campaign status" and "Rate limits". All are merged by key, since
a campaign keeps changing until its videos are published.
"""

from __future__ import annotations

from ..shared.chunks import ApiTables
from ..shared.tables import Table

CAMPAIGNS = Table(
    "campaigns",
    ("campaign_id",),
    "One row per Clipus campaign that the API has answered for, as last answered.",
    {
        "campaign_id": ("text", "Clipus campaign id; the key."),
        "status": ("text", "collecting, rendering and further words; an open list."),
        "url": ("text", "Product page that the videos show."),
        "title": ("text", "Label of the campaign; NULL if it has none."),
        "languages": ("json", "Languages of the videos, a JSON array of text."),
        "created_at": ("timestamp", "When the campaign was created (UTC instant)."),
        "observed_at": ("timestamp", "When the API gave this answer (its Date, UTC instant)."),
    },
)
VIDEOS = Table(
    "videos",
    ("campaign_id", "id"),  # "v1" is not shown to be unique across campaigns
    "One row per video of a campaign, as last answered.",
    {
        "campaign_id": ("text", "Campaign of the video; with id the key."),
        "id": ("text", "Clipus video id; only unique within its campaign."),
        "platform": ("text", "Where it is meant to be shown, e.g. youtube; an open list."),
        "status": ("text", "ready and further words; an open list."),
        "file_url": ("text", "Download link; NULL until the video is ready. It may expire."),
        "duration_seconds": ("double", "Length in seconds; NULL until the API has it."),
        "published_at": ("timestamp", "When it was published (UTC instant); NULL before."),
        "observed_at": ("timestamp", "When the API gave this answer (its Date, UTC instant)."),
    },
    parent="campaign_id",  # an answer replaces the videos of its campaign
    stamped=frozenset({"campaign_id", "observed_at"}),
)
CAMPAIGN_OBSERVATIONS = Table(
    "campaign_observations",
    ("observation_id",),
    "One row per change of a campaign's status, as seen by polling.",
    {
        "observation_id": ("text", "Key of the observation."),
        "campaign_id": ("text", "Clipus campaign id."),
        "status": ("text", "The status then; not_found if a loaded campaign is answered by 404."),
        "observed_at": ("timestamp", "When it was first seen (the answer's Date, UTC instant)."),
    },
)
VIDEO_OBSERVATIONS = Table(
    "video_observations",
    ("observation_id",),
    "One row per change of a video's status, as seen by polling.",
    {
        "observation_id": ("text", "Key of the observation."),
        "campaign_id": ("text", "Clipus campaign id."),
        "video_id": ("text", "Clipus video id; only unique within its campaign."),
        "status": ("text", "The status then."),
        "observed_at": ("timestamp", "When it was first seen (the answer's Date, UTC instant)."),
    },
)
PLAN_OBSERVATIONS = Table(
    "plan_observations",
    ("observed_at",),
    "The plan in the response headers; saved if it differs or is the UTC day's first.",
    {
        "observed_at": ("timestamp", "When the answer was given (UTC instant); the key."),
        "plan": ("text", "Name of the plan (X-RateLimit-Plan)."),
        "requests_per_minute": ("bigint", "Requests a minute on that plan (X-RateLimit-Limit)."),
        "scopes": ("text", "Scopes of the key, as sent (X-Clipus-Api-Scopes)."),
    },
)
TABLES = ApiTables(
    "clipus",
    records=CAMPAIGNS,
    children=VIDEOS,
    observations=CAMPAIGN_OBSERVATIONS,
    child_observations=VIDEO_OBSERVATIONS,
    child_id="video_id",
    account=PLAN_OBSERVATIONS,
    wrapping=frozenset({"success", "videos"}),
)
