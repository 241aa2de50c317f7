"""Klipit's endpoints: a job and its clips as records, the account's balance, submit, export.

Source: Klipit API reference, "Jobs", "Clips" and "Export"; the account path is undocumented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any
from urllib.parse import quote

from ..shared.http import UNWATCHED, Api, OutcomeUnknown, Watch, refuse_unauthorised
from ..shared.refusals import refusal_reason, refused
from ..shared.slots import fingerprint
from ..shared.tables import MAX_NUMBER, MAX_RECORDS, BadRecord, Rejected, Row, instant, too_many
from . import settings


@dataclass
class JobRead:
    """What one job's requests brought: rows to land and records that cannot."""

    job_id: str
    observed_at: datetime
    job: Row | None = None
    clips: list[Row] | None = None
    """None: not asked for. Empty: the answer held none, so landed ones are to be removed."""
    found: bool = True
    """False: 404."""
    ok: bool = True
    """Whether the (last) answer was 2xx."""
    rejected: list[Rejected] = field(default_factory=list)

    def wants_clips(self, clips_read_at: datetime | None) -> bool:
        """Whether the job just polled is complete and its clips are not read yet.

        A read counts from completed_at on; where that is absent, or ahead of the clock that
        dated the answer, from this answer on. Of clip_count only 0 says something.
        """
        if self.job is None or str(self.job.get("status")).lower() not in settings.FINISHED:
            return False
        if self.job.get("clip_count") == 0:
            return False
        completed_at = self.job.get("completed_at")
        if completed_at is None or completed_at > self.observed_at:
            completed_at = self.observed_at
        return clips_read_at is None or clips_read_at < completed_at


class KlipitClient:
    """Reads Klipit. `now` stamps what an answer without a Date header brought."""

    def __init__(self, api: Api, now: Callable[[], datetime]) -> None:
        self.api = api
        self._now = now
        key = fingerprint(api.key)
        self._polls = settings.polls_bucket(key)
        self._clip_reads = settings.clips_bucket(key)
        self._submissions = settings.submissions_bucket(key)

    async def read(
        self,
        job_id: str,
        *,
        poll: bool = True,
        clips_read_at: datetime | None = None,
        clips_again: bool = False,
        watch: Watch = UNWATCHED,
    ) -> JobRead:
        """A job and, once it is complete, its clips.

        Args:
            poll: False where the job is known to be complete and only its clips are missing.
            clips_read_at: when its clips were read last.
            clips_again: read them whenever the job has some.
            watch: of its first request.

        Raises:
            FixConfiguration: 401 or 403.
            RequestFailed, TryAgainLater: as `Api.get`.
        """
        if not poll:
            read = JobRead(job_id, self._now())
            await self.read_clips(read, watch=watch)
            return read
        read = await self.poll(job_id, watch=watch)
        if read.wants_clips(None if clips_again else clips_read_at):
            await self.read_clips(read)
        return read

    async def poll(self, job_id: str, *, watch: Watch = UNWATCHED) -> JobRead:
        """GET /jobs/{id}.

        Raises:
            FixConfiguration: 401 or 403.
            RequestFailed, TryAgainLater: as `Api.get`.
        """
        path = f"/jobs/{quote(job_id, safe='')}"
        answer = await self.api.get(path, self._polls, _is_object, watch=watch)
        refuse_unauthorised(self.api, answer, "the scope jobs:read")
        read = JobRead(job_id, self.api.observed_at(answer, self._now()))
        read.ok = answer.status < 400
        if not read.ok:
            read.found = answer.status != 404
            self._reject(read, "jobs", refusal_reason(self.api, answer), answer.body)
            return read
        try:
            if not _is_object(answer.body):
                raise BadRecord(answer.wrong_shape("is not an object"))
            job = job_row(answer.body, job_id)
            read.job = {**job, "observed_at": read.observed_at}
        except BadRecord as error:
            self._reject(read, "jobs", str(error), answer.body)
        return read

    async def read_clips(self, read: JobRead, *, watch: Watch = UNWATCHED) -> None:
        """GET /jobs/{id}/clips into `read`; raises as `poll`."""
        path = f"/jobs/{quote(read.job_id, safe='')}/clips"
        answer = await self.api.get(path, self._clip_reads, _has_clips, watch=watch)
        refuse_unauthorised(self.api, answer, "the scope clips:read")
        read.observed_at = self.api.observed_at(answer, self._now())
        if answer.status >= 400:
            self._reject(read, "clips", refusal_reason(self.api, answer), answer.body)
            return
        if not _has_clips(answer.body):
            self._reject(read, "clips", answer.wrong_shape("has no list of clips"), answer.body)
            return
        clips: dict[str, Row] = {}
        records = answer.body["clips"]
        if len(records) > MAX_RECORDS:
            self._reject(read, "clips", too_many(records), None)
        for record in records[:MAX_RECORDS]:
            try:
                if not isinstance(record, dict):
                    raise BadRecord("shape: the clip is not an object")
                clip = settings.CLIPS.read(record)
                if clip["id"] in clips:
                    raise BadRecord("key: id stands twice in one answer")
            except BadRecord as error:
                told = (read.job_id, str(error), record, read.observed_at)
                read.rejected.append(Rejected.child("klipit", settings.CLIPS, *told))
                continue
            clips[clip["id"]] = {**clip, "job_id": read.job_id, "observed_at": read.observed_at}
        read.clips = list(clips.values())

    async def balance(self, path: str) -> tuple[float, datetime] | None:
        """The account's credits and when they were observed; None if the API reports none.

        Raises:
            FixConfiguration: 401.
            RequestFailed, TryAgainLater: as `Api.get`.
        """
        answer = await self.api.get(path, None)
        if answer.status == 401:
            refuse_unauthorised(self.api, answer, "")
        found = _balance(answer.body) if answer.status < 400 else None
        return None if found is None else (found, self.api.observed_at(answer, self._now()))

    async def submit(
        self,
        fields: Mapping[str, Any],
        file: tuple[str, IO[bytes]] | None = None,
        *,
        before: Callable[[], None] = lambda: None,
    ) -> str:
        """POST /jobs, never twice what may have been taken.

        Args:
            fields: the body; without `source_url` where a file is sent.
            file: its name and the open file, which is streamed from disk.
            before: as `Api.post`.

        Returns:
            The job's id.

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
            raise refused(
                self.api, answer, needed="the scope jobs:create", advice=settings.SUBMIT_ADVICE
            )
        id_ = answer.body.get("id") if isinstance(answer.body, dict) else None
        if not isinstance(id_, str) or not id_:
            raise OutcomeUnknown(
                f"Klipit: POST /jobs answered {answer.status} without the job's id; whether it was "
                "taken is unknown."
            )
        return id_

    async def export(
        self, job_id: str, fields: Mapping[str, Any], *, before: Callable[[], None] = lambda: None
    ) -> tuple[str, datetime | None] | None:
        """POST /jobs/{id}/export, never twice what may have been taken.

        Returns:
            The link, which may be signed, and when it ends; None where it is not ready.

        Raises:
            OutcomeUnknown: the export may have begun.
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
            raise refused(
                self.api, answer, needed="the scope exports:create", advice=settings.EXPORT_ADVICE
            )
        body = answer.body if isinstance(answer.body, dict) else {}
        url = body.get("export_url")
        if not isinstance(url, str) or not url.strip():
            return None
        try:
            expires_at = instant(body["expires_at"])
        except (KeyError, TypeError, ValueError):
            expires_at = None
        return url.strip(), expires_at

    @staticmethod
    def _reject(read: JobRead, endpoint: str, reason: str, payload: Any) -> None:
        read.rejected.append(
            Rejected("klipit", endpoint, read.job_id, reason, payload, read.observed_at)
        )


def job_row(record: dict[str, Any], job_id: str) -> Row:
    """The job in an answer's body.

    Raises:
        BadRecord: as `Table.read`, or it is another job.
    """
    job = settings.JOBS.read(record)
    if job["id"] != job_id:
        raise BadRecord("key: id is another job's")
    return job


def _is_object(body: Any) -> bool:
    return isinstance(body, dict)


def _has_clips(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("clips"), list)


def _balance(body: Any) -> float | None:
    """A number under a likely name, at the top or one level down; text is no number.

    None where it is no plausible balance, as in `{"credits": 1e999}`.
    """
    if not isinstance(body, dict):
        return None
    for level in (body, *(value for value in body.values() if isinstance(value, dict))):
        for name in settings.BALANCE_NAMES:
            value = level.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value) if abs(value) < MAX_NUMBER else None
    return None
