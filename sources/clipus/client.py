"""Clipus's endpoints: a campaign with its videos as records, the plan in the headers, submit.

Source: Clipus API reference, "Create a campaign", "Get campaign status" and "Rate limits".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import IO, Any
from urllib.parse import quote

from ..shared.answers import Answer
from ..shared.chunks import Read
from ..shared.due import Due
from ..shared.errors import OutcomeUnknown
from ..shared.http import UNWATCHED, Api, Watch
from ..shared.tables import Row
from . import settings
from .tables import TABLES

PUBLISHING = timedelta(days=14)
"""How long after its creation a finished campaign may still have a video published."""


class ClipusClient:
    """Requests of Clipus's API. `now` dates an answer without a Date header."""

    tables = TABLES

    def __init__(self, api: Api, now: Callable[[], datetime]) -> None:
        self.api = api
        self.account: Row | None = None
        """The plan in the latest answer's headers, as a row of `plan_observations`."""
        self._now = now
        self._bucket = settings.requests_bucket(api.key)
        api.on_answer = self._learn

    async def read(self, due: Due, watch: Watch = UNWATCHED) -> Read:
        """A campaign and its videos, as `poll`."""
        return await self.poll(due.id, watch)

    async def poll(self, campaign_id: str, watch: Watch = UNWATCHED) -> Read:
        """GET /api/v1/campaigns/{id}.

        Raises:
            FixConfiguration: 401 or 403.
            RequestFailed, TryAgainLater: as `Api.get`.
        """
        path = f"/api/v1/campaigns/{quote(campaign_id, safe='')}"
        answer = await self.api.get(path, self._bucket, _is_campaign, watch=watch)
        self.api.refuse_unauthorised(answer, "the plan Growth or above")
        read = Read(campaign_id, self.api.observed_at(answer, self._now()))
        shape = "is not a campaign with a list of videos"
        read.take_answer(TABLES, answer, self.api.key, _is_campaign, shape)
        if read.record is not None and answer.body.get("videos") is not None:
            read.take_children(TABLES, answer.body["videos"])
        return read

    @staticmethod
    def is_settled(read: Read) -> bool:
        """Whether a campaign will not change any more.

        It failed, or it is finished and every video is published or failed, or it is finished and
        was created 14 days ago.
        """
        if read.record is None or read.status in settings.FAILED:
            return read.record is not None
        created_at = read.record.get("created_at")
        is_old = created_at is not None and read.observed_at - created_at >= PUBLISHING
        return read.status in settings.FINISHED and (
            is_old
            or all(
                video.get("published_at") is not None
                or str(video.get("status")).lower() in settings.FAILED
                for video in read.children or []
            )
        )

    async def read_account(self, path: str = "") -> Row | None:
        """The plan. It needs no request: every answer reports it."""
        return self.account

    async def submit(
        self,
        fields: Mapping[str, Any],
        file: tuple[str, IO[bytes]] | None = None,
        *,
        advice: Mapping[int, str],
        before: Callable[[], None] = lambda: None,
    ) -> Row:
        """POST /api/v1/campaigns, never twice what may have been accepted.

        The request stays open while Clipus reads the page, up to 300 s.

        Args:
            file: always None; Clipus reads a page.
            advice: status of a refusal → what to do about it.
            before: as `Api.post`.

        Returns:
            `campaign_id`, and `job_id`, the id of Clipus's own job behind it, None if not reported.

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
            needed = "the plan Growth or above and the scope campaigns:create"
            raise self.api.refusal(answer, needed=needed, advice=advice)
        body = answer.body if isinstance(answer.body, dict) else {}
        id_, job_id = body.get("campaign_id"), body.get("job_id")
        if not isinstance(id_, str) or not id_:
            raise OutcomeUnknown(
                f"Clipus: POST /api/v1/campaigns answered {answer.status} without the campaign's "
                "id; whether it was accepted is unknown."
            )
        return {"campaign_id": id_, "job_id": job_id if isinstance(job_id, str) else None}

    def _learn(self, answer: Answer) -> None:
        """Take plan, limit and scopes from an answer; a changed limit applies at once."""
        plan = plan_headers(answer.headers)
        if plan is None:
            return
        if plan["requests_per_minute"] is not None:
            self.api.slots.learn(self._bucket, plan["requests_per_minute"])
        self.account = {"observed_at": self.api.observed_at(answer, self._now()), **plan}


def plan_headers(headers: Mapping[str, str]) -> Row | None:
    """Plan, requests a minute and scopes from an answer's headers; None if all are absent."""
    plan = headers.get("x-ratelimit-plan")
    limit = headers.get("x-ratelimit-limit", "").strip()
    scopes = headers.get("x-clipus-api-scopes")
    per_minute = int(limit) if limit.isascii() and limit.isdigit() and 0 < len(limit) < 10 else 0
    if plan is None and scopes is None and not per_minute:
        return None
    return {"plan": plan, "requests_per_minute": per_minute or None, "scopes": scopes}


def _is_campaign(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("videos"), list | None)
