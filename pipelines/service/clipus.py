"""Clipus: a SaaS URL becomes a campaign, the campaign becomes videos; a monthly quota is spent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sources.clipus import settings
from sources.clipus.tables import TABLES
from sources.shared.chunks import Read
from sources.shared.tables import Table

from .record import SEQ, Service

if TYPE_CHECKING:
    from sources.clipus.client import ClipusClient
    from sources.shared.http import Api

SUBMISSIONS = Table(
    "submissions",
    ("submission_id",),
    "One row per known campaign id or submission, with what was entered when it was sent.",
    {
        "submission_id": ("text", "Key of the submission or the known id."),
        "origin": ("text", "How the id became known: submit, import or webhook."),
        "state": ("text", "known: it has a campaign; unknown: answer lost; failed: refused."),
        "campaign_id": ("text", "Clipus campaign id; NULL while unknown or if it failed."),
        "url": ("text", "Product page that was submitted; NULL if not given."),
        "languages": ("json", "Languages requested, a JSON array of text; NULL if left to Clipus."),
        "title": ("text", "Label requested; NULL if left to Clipus."),
        "webhook_url": ("text", "Where Clipus was to call, without its token; NULL if not given."),
        "job_id": ("text", "Id of Clipus's own job behind the campaign; NULL if not reported."),
        "error": ("text", "Why it failed, e.g. that the monthly limit is reached; else NULL."),
        "submitted_at": ("timestamp", "When it was sent (UTC instant); NULL if not known."),
        "recorded_at": ("timestamp", "When it was last recorded here (UTC instant)."),
        "untracked_at": ("timestamp", "When `clipmart untrack` removed it; NULL while tracked."),
        SEQ: ("bigint", ""),
    },
    parent="submission_id",
)
_ADDRESS = "Set CLIPUS_BASE_URL to the API's address, or unset it."


def _client(api: Api, now: Callable[[], datetime]) -> ClipusClient:
    from sources.clipus.client import ClipusClient

    return ClipusClient(api, now)


def _videos(read: Read) -> str:
    videos = read.children or []
    ready = sum(str(video.get("status")).lower() in settings.FINISHED for video in videos)
    return f", {ready} of {len(videos)} videos ready"


CLIPUS = Service(
    name="clipus",
    thing="campaign",
    id_name="campaign_id",
    url_name="url",
    api=TABLES,
    submissions=SUBMISSIONS,
    base_url=settings.BASE_URL,
    finished=settings.FINISHED,
    failed=settings.FAILED,
    client=_client,
    requests_needed=settings.requests_needed,
    worklist=Path(__file__).with_name("clipus_worklist.sql"),
    csv={
        **{"campaign_id": "campaign_id", "id": "campaign_id"},
        **{"url": "url", "source_url": "url"},
        **{"title": "title", "languages": "languages", "submitted_at": "submitted_at"},
    },
    id_pattern=r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}",
    sending="reading the page before it answers; this may take up to 300 s",
    submit_advice={
        400: "Check the address, and that your plan allows so many languages.",
        404: _ADDRESS,
        405: _ADDRESS,
        422: "Clipus could not read the page: it must open without a login and let robots in.",
    },
    longest_wait_seconds=24 * 3600.0,
    progress=_videos,
    unclaimed="""
        SELECT c.campaign_id, c.url, c.created_at
        FROM clipus.campaigns AS c
        JOIN clipus.submissions AS s ON s.campaign_id = c.campaign_id AND s.origin <> 'submit'
        WHERE $tracked ORDER BY c.campaign_id""",
    ties_by_url=True,
    failures="""
        SELECT campaign_id AS id, COALESCE(title, url) AS name, NULL AS reason, outcome,
          LEAST(COALESCE(created_at, observed_at), observed_at) AS began_at
        FROM staging.stg_clipus__campaigns""",
    progress_view="reports.video_readiness",
    progress_report="video-readiness",
)
