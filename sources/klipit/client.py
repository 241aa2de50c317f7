"""Klipit's endpoints: a job and its clips as records, the account's balance, submit, export.

Source: Klipit API reference, "Jobs", "Clips" and "Export"; the account path is undocumented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import IO, Any
from urllib.parse import quote

from ..shared.chunks import Read
from ..shared.due import Due
from ..shared.errors import OutcomeUnknown
from ..shared.http import UNWATCHED, Api, Watch
from ..shared.tables import Row
from ..shared.values import MAX_NUMBER, instant
from . import settings
from .tables import CLIPS, TABLES


class KlipitClient:
    """Requests of Klipit's API. `now` dates an answer without a Date header."""

    tables = TABLES

    def __init__(self, api: Api, now: Callable[[], datetime]) -> None:
        self.api = api
        self.account: Row | None = None
        """What the account last reported, as a row of `account_snapshots`."""
        self._now = now
        self._polls = settings.polls_bucket(api.key)
        self._clip_reads = settings.clips_bucket(api.key)
        self._submissions = settings.submissions_bucket(api.key)

    async def read(self, due: Due, watch: Watch = UNWATCHED) -> Read:
        """A job and, once it is complete, its clips.

        Args:
            watch: callbacks for its first request.

        Raises:
            FixConfiguration: 401 or 403.
            RequestFailed, TryAgainLater: as `Api.get`.
        """
        if not due.poll:
            read = Read(due.id, self._now())
            await self._read_clips(read, watch)
            return read
        read = await self.poll(due.id, watch)
        if _wants_clips(read, None if due.refresh else due.children_read_at):
            await self._read_clips(read, UNWATCHED)
        return read

    async def poll(self, job_id: str, watch: Watch = UNWATCHED) -> Read:
        """GET /jobs/{id}; raises as `read`."""
        path = f"/jobs/{quote(job_id, safe='')}"
        answer = await self.api.get(path, self._polls, _is_object, watch=watch)
        self.api.refuse_unauthorised(answer, "the scope jobs:read")
        read = Read(job_id, self.api.observed_at(answer, self._now()))
        read.take_answer(TABLES, answer, self.api.key, _is_object, "is not an object")
        return read

    async def _read_clips(self, read: Read, watch: Watch) -> None:
        """GET /jobs/{id}/clips into `read`; raises as `read`."""
        path = f"/jobs/{quote(read.id, safe='')}/clips"
        answer = await self.api.get(path, self._clip_reads, _has_clips, watch=watch)
        self.api.refuse_unauthorised(answer, "the scope clips:read")
        read.observed_at = self.api.observed_at(answer, self._now())
        if answer.status >= 400:
            read.reject(TABLES, CLIPS, answer.refusal_reason(self.api.key), answer.body)
        elif not _has_clips(answer.body):
            read.reject(TABLES, CLIPS, answer.wrong_shape("has no list of clips"), answer.body)
        else:
            read.take_children(TABLES, answer.body["clips"])

    @staticmethod
    def is_settled(read: Read) -> bool:
        """Whether a job will not change any more: failed, or complete with its clips read."""
        if read.status in settings.FAILED:
            return True
        return read.status in settings.FINISHED and (
            read.children is not None or not _wants_clips(read, None)
        )

    async def read_account(self, path: str = settings.ACCOUNT_PATH) -> Row | None:
        """GET the account's credits, as a row of `account_snapshots`; None if it reports none.

        Raises:
            FixConfiguration: 401.
            RequestFailed, TryAgainLater: as `Api.get`.
        """
        answer = await self.api.get(path, None)
        if answer.status == 401:
            self.api.refuse_unauthorised(answer, "")
        balance = _balance(answer.body) if answer.status < 400 else None
        if balance is not None:
            at = self.api.observed_at(answer, self._now())
            self.account = {"observed_at": at, "balance": balance, "origin": "api"}
        return self.account

    async def submit(
        self,
        fields: Mapping[str, Any],
        file: tuple[str, IO[bytes]] | None = None,
        *,
        advice: Mapping[int, str],
        before: Callable[[], None] = lambda: None,
    ) -> Row:
        """POST /jobs, never twice what may have been accepted.

        Args:
            fields: the body; without `source_url` if a file is sent.
            file: its name and the open file, which is streamed from disk.
            advice: status of a refusal → what to do about it.
            before: as `Api.post`.

        Returns:
            `job_id`.

        Raises:
            OutcomeUnknown: the job may exist.
            NotTaken, Refused, FixConfiguration: it does not.
        """
        content: dict[str, Any] = {"json": dict(fields)}
        seconds = settings.SUBMIT_SECONDS
        if file is not None:
            content = {"data": dict(fields), "files": {"file": file}}
            seconds = settings.UPLOAD_SECONDS
        answer = await self.api.post(
            "/jobs", self._submissions, timeout_seconds=seconds, before=before, **content
        )
        if answer.status >= 400:
            raise self.api.refusal(answer, needed="the scope jobs:create", advice=advice)
        id_ = answer.body.get("id") if isinstance(answer.body, dict) else None
        if not isinstance(id_, str) or not id_:
            raise OutcomeUnknown(
                f"Klipit: POST /jobs answered {answer.status} without the job's id; whether it was "
                "accepted is unknown."
            )
        return {"job_id": id_}

    async def export(
        self,
        job_id: str,
        fields: Mapping[str, Any],
        *,
        advice: Mapping[int, str],
        before: Callable[[], None] = lambda: None,
    ) -> tuple[str, datetime | None] | None:
        """POST /jobs/{id}/export, never twice what may have been accepted.

        Returns:
            The link, which may be signed, and when it expires; None if the export is not ready.

        Raises:
            OutcomeUnknown: the export may have started.
            NotTaken, Refused, FixConfiguration: it did not.
        """
        answer = await self.api.post(
            f"/jobs/{job_id}/export",
            None,
            timeout_seconds=settings.EXPORT_SECONDS,
            before=before,
            json=dict(fields),
        )
        if answer.status >= 400:
            raise self.api.refusal(answer, needed="the scope exports:create", advice=advice)
        body = answer.body if isinstance(answer.body, dict) else {}
        url = body.get("export_url")
        if not isinstance(url, str) or not url.strip():
            return None
        try:
            expires_at = instant(body["expires_at"])
        except (KeyError, TypeError, ValueError):
            expires_at = None
        return url.strip(), expires_at


def _wants_clips(read: Read, clips_read_at: datetime | None) -> bool:
    """Whether the job just polled is complete and its clips have not been read since.

    Clips count as read if that happened at completed_at or later. If completed_at is absent, or
    later than this answer, the instant of this answer is used instead. A clip_count of 0 means
    that there is nothing to read; other counts are ignored.
    """
    job = read.record
    if job is None or read.status not in settings.FINISHED or job.get("clip_count") == 0:
        return False
    completed_at = job.get("completed_at")
    if completed_at is None or completed_at > read.observed_at:
        completed_at = read.observed_at
    return clips_read_at is None or clips_read_at < completed_at


def _is_object(body: Any) -> bool:
    return isinstance(body, dict)


def _has_clips(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("clips"), list)


def _balance(body: Any) -> float | None:
    """The number under a likely name, at the top or one level down; text does not count.

    None if it is not a plausible balance, as in `{"credits": 1e999}`.
    """
    if not isinstance(body, dict):
        return None
    for level in (body, *(value for value in body.values() if isinstance(value, dict))):
        for name in settings.BALANCE_NAMES:
            value = level.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value) if abs(value) < MAX_NUMBER else None
    return None
