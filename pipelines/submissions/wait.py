"""`--wait`: poll one job or campaign to its end. Nothing is landed; the next sync does that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from sources.clipus.client import ClipusClient
from sources.klipit.client import KlipitClient
from sources.klipit.settings import FAILED, FINISHED
from sources.shared.errors import ClipmartError, TryAgainLater
from sources.shared.http import Api

from .post import Say, Sleep

POLL_SECONDS = 15.0  # Klipit API reference, "Agent quickstart": check every 15 s
SAY_SECONDS = 60.0
LONGEST_SECONDS = {"klipit": 2 * 3600.0, "clipus": 24 * 3600.0}  # by then it counts as stuck

Look = Callable[[str], Awaitable[tuple[str | None, str]]]


async def follow(
    service: str, id_: str, api: Api, now: Callable[[], datetime], say: Say, sleep: Sleep
) -> str:
    """Poll until the end, saying each change and every minute.

    Returns:
        The vendor's word for the end.

    Raises:
        Failed: it ended badly.
        TryAgainLater: it has not ended by the time that counts as stuck.
        RequestFailed, FixConfiguration: as `Api.get`.
    """
    look = (
        _job(KlipitClient(api, now)) if service == "klipit" else _campaign(ClipusClient(api, now))
    )
    waited, said, said_at = 0.0, "", 0.0
    while True:
        status, line = await look(id_)
        if line != said or waited - said_at >= SAY_SECONDS:
            said, said_at = line, waited
            say(f"{service}: {id_} {line}, {waited:.0f} s waited")
        if _is(status, FAILED):
            raise Failed(f"{service.capitalize()}: {id_} {line}.")
        if status is not None and _is(status, FINISHED):
            return status
        if waited >= LONGEST_SECONDS[service]:
            raise TryAgainLater(f"It has not ended after {waited / 3600:.0f} h.")
        await sleep(POLL_SECONDS)
        waited += POLL_SECONDS


class Failed(ClipmartError):
    """The vendor could not do what was submitted."""


def _job(client: KlipitClient) -> Look:
    async def look(id_: str) -> tuple[str | None, str]:
        row = (await client.poll(id_)).job or {}
        clips = row.get("clip_count")
        line = f"is {row.get('status') or 'not told yet'}"
        return row.get("status"), line if clips is None else f"{line} with {clips} clips"

    return look


def _campaign(client: ClipusClient) -> Look:
    async def look(id_: str) -> tuple[str | None, str]:
        read = await client.poll(id_)
        row, videos = read.campaign or {}, read.videos or []
        ready = sum(_is(video.get("status"), FINISHED) for video in videos)
        line = f"is {row.get('status') or 'not told yet'}"
        return row.get("status"), f"{line}, {ready} of {len(videos)} videos ready"

    return look


def _is(status: str | None, words: frozenset[str]) -> bool:
    return str(status).lower() in words
