"""What the Clipus reference fixes: address, tables. The limit comes with every answer.

Source: Clipus API reference, "Rate limits", "Create a campaign" and "Get campaign status".
"""

from __future__ import annotations

from ..shared.slots import Bucket
from ..shared.tables import Table

BASE_URL = "https://www.clipus.io"

# The vendor documents only collecting, rendering and ready; these words are read as ends, and
# anything else as still running.
FINISHED = frozenset({"complete", "completed", "ready", "published", "done"})
FAILED = frozenset({"failed", "error", "cancelled", "canceled"})

CAMPAIGNS = Table(
    "campaigns",
    ("campaign_id",),
    {
        "campaign_id": "text",
        "status": "text",
        "url": "text",
        "title": "text",
        "languages": "json",
        "created_at": "timestamp",
        "observed_at": "timestamp",
    },
)
VIDEOS = Table(
    "videos",
    # "v1" is not shown to be unique across campaigns.
    ("campaign_id", "id"),
    {
        "campaign_id": "text",
        "id": "text",
        "platform": "text",
        "status": "text",
        "file_url": "text",
        "duration_seconds": "double",
        "published_at": "timestamp",
        "observed_at": "timestamp",
    },
    parent="campaign_id",
    stamped=frozenset({"campaign_id", "observed_at"}),
)
CAMPAIGN_OBSERVATIONS = Table(
    "campaign_observations",
    ("observation_id",),
    {
        "observation_id": "text",
        "campaign_id": "text",
        "status": "text",
        "observed_at": "timestamp",
    },
)
VIDEO_OBSERVATIONS = Table(
    "video_observations",
    ("observation_id",),
    {
        "observation_id": "text",
        "campaign_id": "text",
        "video_id": "text",
        "status": "text",
        "observed_at": "timestamp",
    },
)
PLAN_OBSERVATIONS = Table(
    "plan_observations",
    ("observed_at",),
    {
        "observed_at": "timestamp",
        "plan": "text",
        "requests_per_minute": "bigint",
        "scopes": "text",
    },
)


SUBMIT_SECONDS = 310.0  # the server may take 300 s (seen); the reference says a few minutes

SUBMIT_ADVICE = {
    400: "Check the address, and that your plan allows so many languages.",
    404: "Set CLIPUS_BASE_URL to the API's address, or unset it.",
    405: "Set CLIPUS_BASE_URL to the API's address, or unset it.",
    422: "Clipus could not read the page: it must open without a login and let robots in.",
}


def requests_bucket(key: str) -> Bucket:
    return Bucket("clipus", "requests", key)
