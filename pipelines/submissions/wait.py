"""`--wait`: poll one job or campaign until it ends. Nothing is landed; the next sync does that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from sources.clipus.client import ClipusClient
from sources.klipit.client import KlipitClient
from sources.klipit.settings import FAILED, FINISHED
from sources.shared.errors import ClipmartError, TryAgainLater
from sources.shared.http import Api

from .api import Say, Sleep

POLL_SECONDS = 15.0  # Klipit API reference, "Agent quickstart": check every 15 s
SAY_SECONDS = 60.0
LONGEST_SECONDS = {"klipit": 2 * 3600.0, "clipus": 24 * 3600.0}  # by then it counts as stuck

Poll = Callable[[str], Awaitable[tuple[str | None, str]]]


async def poll_until_done(
    service: str, id_: str, api: Api, now: Callable[[], datetime], say: Say, sleep: Sleep
) -> str:
    """Poll until the end, reporting each change and once a minute.

    Returns:
        The vendor's final status.

    Raises:
        SubmissionFailed: the vendor reports a failure.
        TryAgainLater: it has not ended when it counts as stuck.
        RequestFailed, FixConfiguration: as `Api.get`.
    """
    poll_once = (
        _job_poll(KlipitClient(api, now))
        if service == "klipit"
        else _campaign_poll(ClipusClient(api, now))
    )
    waited, reported, reported_at = 0.0, "", 0.0
    while True:
        status, line = await poll_once(id_)
        if line != reported or waited - reported_at >= SAY_SECONDS:
            reported, reported_at = line, waited
            say(f"{service}: {id_} {line}, {waited:.0f} s waited")
        if _is_in(status, FAILED):
            raise SubmissionFailed(f"{service.capitalize()}: {id_} {line}.")
        if status is not None and _is_in(status, FINISHED):
            return status
        if waited >= LONGEST_SECONDS[service]:
            raise TryAgainLater(f"It has not ended after {waited / 3600:.0f} h.")
        await sleep(POLL_SECONDS)
        waited += POLL_SECONDS


class SubmissionFailed(ClipmartError):
    """The vendor reports that the job or campaign failed."""


def _job_poll(client: KlipitClient) -> Poll:
    async def poll_once(id_: str) -> tuple[str | None, str]:
        row = (await client.poll(id_)).job or {}
        clips = row.get("clip_count")
        line = f"is {row.get('status') or 'without a status'}"
        return row.get("status"), line if clips is None else f"{line} with {clips} clips"

    return poll_once


def _campaign_poll(client: ClipusClient) -> Poll:
    async def poll_once(id_: str) -> tuple[str | None, str]:
        read = await client.poll(id_)
        row, videos = read.campaign or {}, read.videos or []
        ready = sum(_is_in(video.get("status"), FINISHED) for video in videos)
        line = f"is {row.get('status') or 'without a status'}"
        return row.get("status"), f"{line}, {ready} of {len(videos)} videos ready"

    return poll_once


def _is_in(status: str | None, words: frozenset[str]) -> bool:
    return str(status).lower() in words
