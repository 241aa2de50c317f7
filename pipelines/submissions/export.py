"""`export`: request a job's clips from Klipit as one file, and download the file.

An export is one row of `klipit.exports` for each job, platform and format, which a later request
updates; a refused one has none.

The link may be signed, so it is stored in that table alone: it is not printed, and the file's name
comes from the job, not from the link. The file is downloaded without our key.

Source: Klipit API reference, "Export": a download URL when ready, and when it expires.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines import stop
from pipelines.ids.parse import refusal
from pipelines.ledger.ledger import Event, Ledger, open_ledger
from pipelines.output import utc_text
from pipelines.service import KLIPIT
from pipelines.service.klipit import EXPORT_ADVICE
from pipelines.settings import Settings, is_loopback
from sources.klipit.client import KlipitClient
from sources.shared.clients import http_client
from sources.shared.errors import ClipmartError, OutcomeUnknown, TryAgainLater, Unusable
from sources.shared.values import digest

from .api import Say, cancelled_by_signals, service_api
from .download import fetch


@dataclass
class Exported:
    """The outcome of an export."""

    export_id: str
    job_id: str
    platform: str | None
    format: str
    state: str = "unknown"
    """unknown, not_ready, ready or failed."""
    expires_at: datetime | None = None
    path: Path | None = None
    error: ClipmartError | None = None

    def line(self) -> str:
        """The message if nothing failed."""
        if self.path is not None:
            return f"klipit: downloaded {self.path}"
        return (
            f"klipit: the export of {self.job_id} is ready. Run `clipmart sync`, then `clipmart "
            'query "SELECT export_url FROM klipit.exports WHERE export_id = '
            f"'{self.export_id}'\"`; or give --download DIR."
        )

    def as_json(self) -> dict[str, Any]:
        """Without the link."""
        expires_at = self.expires_at
        return {
            "export_id": self.export_id,
            "job_id": self.job_id,
            "platform": self.platform,
            "format": self.format,
            "state": self.state,
            "expires_at": expires_at and utc_text(expires_at),
            "path": None if self.path is None else str(self.path),
            "error": None if self.error is None else str(self.error),
        }


def export(
    settings: Settings,
    job_id: str,
    *,
    platform: str | None = None,
    format_: str = "mp4",
    download: Path | None = None,
    say: Say = lambda _: None,
) -> Exported:
    """Request an export once; with `download`, download it into that folder.

    Returns:
        The outcome; `error` is set if it was requested and failed.

    Raises:
        Unusable: this can't be a job's id.
        FixConfiguration: no key, or the ledger can't be opened.
        sqlite3.Error: the ledger can't be written; the command line says what to do.
        OSError: the folder can't be written.
    """
    if why := refusal(KLIPIT.name, job_id):
        raise Unusable(
            f"This can't be exported: {why}. Nothing was sent. `clipmart ids klipit` lists "
            "the jobs."
        )
    if download is not None:
        download.mkdir(parents=True, exist_ok=True)
    export_id = digest("export", job_id, platform, format_)
    done = Exported(export_id, job_id, platform, format_)
    with closing(open_ledger(settings)) as ledger, stop.deferred(), asyncio.Runner() as runner:
        link = runner.run(_request(settings, ledger, done, say))
    if link is not None and download is not None:
        try:
            path = download / file_name(job_id, platform, format_)
            done.path = fetch(
                link, path, from_this_machine=is_loopback(settings.base_url(KLIPIT.name))
            )
        except ClipmartError as error:
            done.error = error
    return done


async def _request(settings: Settings, ledger: Ledger, done: Exported, say: Say) -> str | None:
    """The link, if it is ready; the export's states go to the ledger, 'unknown' first."""
    fields = {"format": done.format}
    if done.platform is not None:
        fields["platform"] = done.platform
    before = _latest(ledger, done)
    request = {
        "export_id": done.export_id,
        "job_id": done.job_id,
        "platform": done.platform,
        "format": done.format,
        "requested_at": settings.now().isoformat(),
    }
    requested = False

    def record(state: str, **link: Any) -> None:
        nonlocal requested
        requested, done.state = True, state
        body = {**request, "state": state, **link}
        if state == "failed" and before.get("export_url"):
            body = before  # its link works until it expires
        event_id = f"export {uuid.uuid4().hex}"
        ledger.add([Event(KLIPIT.name, "export", event_id, done.job_id, settings.now(), body)])

    old_link = {name: before.get(name) for name in ("export_url", "expires_at")}
    async with http_client() as client:
        api = service_api(settings, ledger, KLIPIT, client, say)
        try:
            with cancelled_by_signals():
                answer = await KlipitClient(api, settings.now).export(
                    done.job_id,
                    fields,
                    advice=EXPORT_ADVICE,
                    before=lambda: record("unknown", **old_link),
                )
        except (OutcomeUnknown, asyncio.CancelledError) as error:
            if not requested:
                raise TryAgainLater(
                    "Stopped before anything was sent. Nothing was recorded. Run the command again."
                ) from None
            cause = str(error) or "Klipit: stopped before it answered."
            done.error = OutcomeUnknown(
                f"{cause} The export may have begun; it is recorded as {done.export_id}, outcome "
                "unknown, and not requested again automatically. The same command requests it "
                "again."
            )
            return None
        except ClipmartError as error:
            if not requested:
                raise
            record("failed")
            done.error = type(error)(settings.without_secrets(str(error)))
            return None
    if answer is None:
        record("not_ready", **old_link)
        done.error = TryAgainLater(
            f"Klipit has not finished this export of {done.job_id}. It is recorded "
            f"as {done.export_id}, not ready, and not requested again automatically. Run the same "
            "command again in a minute."
        )
        return None
    link, done.expires_at = answer
    expires_at = done.expires_at and done.expires_at.isoformat()
    record("ready", export_url=link, expires_at=expires_at)
    return link


def _latest(ledger: Ledger, done: Exported) -> dict[str, Any]:
    """The latest event of this export; {} if it was never requested."""
    events = ledger.events(KLIPIT.name, kinds=("export",))
    bodies = [event.body for event in events if event.body["export_id"] == done.export_id]
    return bodies[-1] if bodies else {}


def file_name(job_id: str, platform: str | None, format_: str) -> str:
    """A file name without a path, for any id."""
    stem = f"{job_id}-{platform}" if platform else job_id
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', stem).lstrip('.-') or 'export'}.{format_}"
