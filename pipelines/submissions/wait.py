"""`--wait`: poll one job or campaign to its end. Nothing lands; the next sync does that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pipelines.service import Service
from sources.shared.errors import ClipmartError, TryAgainLater
from sources.shared.http import Api

from .post import Say, Sleep

POLL_SECONDS = 15.0  # Klipit API reference, "Agent quickstart": check every 15 s
SAY_SECONDS = 60.0


async def poll_to_end(
    service: Service, id_: str, api: Api, now: Callable[[], datetime], say: Say, sleep: Sleep
) -> str:
    """Poll until the end, saying each change and every minute.

    Returns:
        The vendor's word for the end.

    Raises:
        Failed: it ended badly.
        TryAgainLater: it has not ended by the time that counts as stuck.
        RequestFailed, FixConfiguration: as `Api.get`.
    """
    client = service.client(api, now)
    waited, said, said_at = 0.0, "", 0.0
    while True:
        read = await client.poll(id_)
        status = (read.record or {}).get("status")
        line = f"is {status or 'not reported yet'}{service.progress(read)}"
        if line != said or waited - said_at >= SAY_SECONDS:
            said, said_at = line, waited
            say(f"{service.name}: {id_} {line}, {waited:.0f} s waited")
        if read.status in service.failed:
            raise Failed(f"{service.title}: {id_} {line}.")
        if read.status in service.finished:
            return str(status)
        if waited >= service.longest_wait_seconds:
            raise TryAgainLater(f"It has not ended after {waited / 3600:.0f} h.")
        await sleep(POLL_SECONDS)
        waited += POLL_SECONDS


class Failed(ClipmartError):
    """The vendor could not do what was submitted."""
