"""`--wait`: poll one job or campaign until it ends. Nothing is landed; the next sync does that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pipelines.service import Service
from sources.shared.errors import ClipmartError, TryAgainLater
from sources.shared.http import Api

from .api import Say, Sleep

POLL_SECONDS = 15.0  # Klipit API reference, "Agent quickstart": check every 15 s
SAY_SECONDS = 60.0


async def poll_until_done(
    service: Service, id_: str, api: Api, now: Callable[[], datetime], say: Say, sleep: Sleep
) -> str:
    """Poll until the end, reporting each change and once a minute.

    Returns:
        The vendor's final status.

    Raises:
        SubmissionFailed: the vendor reports a failure.
        TryAgainLater: it has not ended when it counts as stuck.
        RequestFailed, FixConfiguration: as `Api.get`.
    """
    client = service.client(api, now)
    waited, reported, reported_at = 0.0, "", 0.0
    while True:
        read = await client.poll(id_)
        status = (read.record or {}).get("status")
        line = f"is {status or 'without a status'}{service.progress(read)}"
        if line != reported or waited - reported_at >= SAY_SECONDS:
            reported, reported_at = line, waited
            say(f"{service.name}: {id_} {line}, {waited:.0f} s waited")
        if read.status in service.failed:
            raise SubmissionFailed(f"{service.title}: {id_} {line}.")
        if read.status in service.finished:
            return str(status)
        if waited >= service.longest_wait_seconds:
            raise TryAgainLater(f"It has not ended after {waited / 3600:.0f} h.")
        await sleep(POLL_SECONDS)
        waited += POLL_SECONDS


class SubmissionFailed(ClipmartError):
    """The vendor reports that the job or campaign failed."""
