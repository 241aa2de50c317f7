"""`sync --ping`: reports to a dead man's switch that a sync begins, and how it ended.

The requests are those of Healthchecks: URL/start, then URL after a success or URL/CODE after a
failure, with the last lines as the body. 75 is neither: URL/log changes nothing at the switch, so
that it raises the alarm only if successes stay away for as long as it allows.

Source: healthchecks.io/docs/http_api.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pipelines.settings import Settings
from pipelines.sync.result import SyncResult

from .outcome import code_of, outcome_lines
from .post import post

PING_SECONDS = 5.0
MOST_BYTES = 10_000  # Healthchecks saves the first 100 kB of a body


def ping_start(url: str) -> str | None:
    """Report that a sync begins; returns why that failed."""
    return post(_address(url, "/start"), PING_SECONDS)


def ping_end(settings: Settings | None, url: str, outcome: SyncResult | Exception) -> str | None:
    """Report how a sync ended, with its last lines; returns why that failed.

    Args:
        settings: None if they could not be read.
    """
    code = code_of(outcome)
    ending = {0: "", 75: "/log"}.get(code, f"/{code}")
    body = "\n".join(outcome_lines(settings, outcome)).encode()[-MOST_BYTES:]
    return post(_address(url, ending), PING_SECONDS, content=body)


def _address(url: str, ending: str) -> str:
    """The address with an ending; an address by slug may have a query, `?create=1`."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path.rstrip("/") + ending).geturl() if ending else url
