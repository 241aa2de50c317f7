"""Clipus's endpoints: a campaign with its videos as records, what headers tell of the plan, submit.

Source: Clipus API reference, "Create a campaign", "Get campaign status" and "Rate limits".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ..shared.http import UNWATCHED, Answer, Api, OutcomeUnknown, Watch, refuse_unauthorised
from ..shared.refusals import refusal_reason, refused
from ..shared.slots import fingerprint
from ..shared.tables import MAX_RECORDS, BadRecord, Rejected, Row, too_many
from . import settings


@dataclass
class CampaignRead:
    """What one campaign's request brought: rows to land and records that cannot."""

    campaign_id: str
    observed_at: datetime
    campaign: Row | None = None
    videos: list[Row] | None = None
    """None: not told. Empty: the answer held none, so landed ones are to be removed."""
    found: bool = True
    """False: 404."""
    ok: bool = True
    """Whether the (last) answer was 2xx."""
    rejected: list[Rejected] = field(default_factory=list)


class ClipusClient:
    """Reads Clipus. `plan` is what the latest answer's headers told."""

    def __init__(self, api: Api, now: Callable[[], datetime]) -> None:
        self.api = api
        self._now = now
        self._bucket = settings.requests_bucket(fingerprint(api.key))
        self.plan: Row | None = None
        api.on_answer = self._learn

    async def poll(self, campaign_id: str, *, watch: Watch = UNWATCHED) -> CampaignRead:
        """GET /api/v1/campaigns/{id}.

        Raises:
            FixConfiguration: 401 or 403.
            RequestFailed, TryAgainLater: as `Api.get`.
        """
        path = f"/api/v1/campaigns/{quote(campaign_id, safe='')}"
        answer = await self.api.get(path, self._bucket, _is_campaign, watch=watch)
        refuse_unauthorised(self.api, answer, "the plan Growth or above")
        read = CampaignRead(campaign_id, self.api.observed_at(answer, self._now()))
        read.ok = answer.status < 400
        if not read.ok:
            read.found = answer.status != 404
            self._reject(read, refusal_reason(self.api, answer), answer.body)
            return read
        try:
            if not _is_campaign(answer.body):
                raise BadRecord(answer.wrong_shape("is not a campaign with a list of videos"))
            campaign = campaign_row(answer.body, campaign_id)
        except BadRecord as error:
            self._reject(read, str(error), answer.body)
            return read
        read.campaign = {**campaign, "observed_at": read.observed_at}
        videos = answer.body.get("videos")
        read.videos = None if videos is None else self._videos(read, videos)
        return read

    async def submit(
        self, fields: Mapping[str, Any], *, before: Callable[[], None] = lambda: None
    ) -> tuple[str, str | None]:
        """POST /api/v1/campaigns, never twice what may have been taken.

        It stays open while Clipus reads the page, up to 300 s.

        Args:
            before: as `Api.post`.

        Returns:
            The campaign's id, and the id of Clipus's own job behind it where it tells one.

        Raises:
            OutcomeUnknown: the campaign may exist.
            NotTaken, Refused, FixConfiguration: it does not.
        """
        answer = await self.api.post(
            "/api/v1/campaigns",
            self._bucket,
            timeout_seconds=settings.SUBMIT_SECONDS,
            before=before,
            json=dict(fields),
        )
        if answer.status >= 400:
            raise refused(
                self.api,
                answer,
                needed="the plan Growth or above and the scope campaigns:create",
                advice=settings.SUBMIT_ADVICE,
            )
        body = answer.body if isinstance(answer.body, dict) else {}
        id_, job_id = body.get("campaign_id"), body.get("job_id")
        if not isinstance(id_, str) or not id_:
            raise OutcomeUnknown(
                f"Clipus: POST /api/v1/campaigns answered {answer.status} without the campaign's "
                "id; whether it was taken is unknown."
            )
        return id_, job_id if isinstance(job_id, str) else None

    def _videos(self, read: CampaignRead, records: list[Any]) -> list[Row]:
        videos: dict[str, Row] = {}
        if len(records) > MAX_RECORDS:
            read.rejected.append(
                Rejected(
                    "clipus", "videos", read.campaign_id, too_many(records), None, read.observed_at
                )
            )
        for record in records[:MAX_RECORDS]:
            try:
                if not isinstance(record, dict):
                    raise BadRecord("shape: the video is not an object")
                video = settings.VIDEOS.read(record)
                if video["id"] in videos:
                    raise BadRecord("key: id stands twice in one answer")
            except BadRecord as error:
                told = (read.campaign_id, str(error), record, read.observed_at)
                read.rejected.append(Rejected.child("clipus", settings.VIDEOS, *told))
                continue
            videos[video["id"]] = {
                **video,
                "campaign_id": read.campaign_id,
                "observed_at": read.observed_at,
            }
        return list(videos.values())

    def _learn(self, answer: Answer) -> None:
        """Every answer tells plan, limit and scopes; a changed limit is obeyed at once."""
        told = plan_headers(answer.headers)
        if told is None:
            return
        if told["requests_per_minute"] is not None:
            self.api.slots.learn(self._bucket, told["requests_per_minute"])
        self.plan = {"observed_at": self.api.observed_at(answer, self._now()), **told}

    @staticmethod
    def _reject(read: CampaignRead, reason: str, payload: Any) -> None:
        read.rejected.append(
            Rejected("clipus", "campaigns", read.campaign_id, reason, payload, read.observed_at)
        )


def campaign_row(record: dict[str, Any], campaign_id: str) -> Row:
    """The campaign in an answer's body.

    Raises:
        BadRecord: as `Table.read`, or it is another campaign.
    """
    # `success` wraps the record, it is no part of it.
    told = {name: value for name, value in record.items() if name not in ("success", "videos")}
    campaign = settings.CAMPAIGNS.read(told)
    if campaign["campaign_id"] != campaign_id:
        raise BadRecord("key: campaign_id is another campaign's")
    return campaign


def plan_headers(headers: Mapping[str, str]) -> Row | None:
    """Plan, requests a minute and scopes as the headers tell; None where none does."""
    plan = headers.get("x-ratelimit-plan")
    limit = headers.get("x-ratelimit-limit", "").strip()
    scopes = headers.get("x-clipus-api-scopes")
    per_minute = int(limit) if limit.isascii() and limit.isdigit() and 0 < len(limit) < 10 else 0
    if plan is None and scopes is None and not per_minute:
        return None
    return {"plan": plan, "requests_per_minute": per_minute or None, "scopes": scopes}


def _is_campaign(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("videos"), list | None)
