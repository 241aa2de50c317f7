"""What watches a sync: `--notify`, `--ping` and the file for Prometheus.

None of them changes how the sync ends: a failure of theirs is one line. Each is imported only if it
is set, since every sync comes here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pipelines.ledger.lock import AnotherSync
from pipelines.output import say
from pipelines.settings import Settings
from pipelines.sync.result import SyncResult


@dataclass
class Watch:
    """Who learns that a sync begins, and how it ended."""

    notify_url: str | None = None
    notify_days: float | None = None
    """Credits for fewer days are posted; None: as the settings say."""
    ping_url: str | None = None
    _began: float = field(default_factory=time.monotonic)
    _lost_start: str | None = None

    def begin(self) -> None:
        """Report that a sync begins."""
        if self.ping_url:
            from .ping import ping_start

            self._lost_start = ping_start(self.ping_url)

    def end(self, settings: Settings | None, outcome: SyncResult | Exception) -> None:
        """Report how it ended.

        Args:
            settings: None if they could not be read.
        """
        if not isinstance(outcome, AnotherSync):  # which reports for itself
            self._report(settings, outcome)
        if self.ping_url:
            from .ping import ping_end

            why = ping_end(settings, self.ping_url, outcome)
            what_follows = "its receiver may report a sync that is missing"
            _say(self.ping_url, "ping", why or self._lost_start, what_follows)

    def _report(self, settings: Settings | None, outcome: SyncResult | Exception) -> None:
        seconds = time.monotonic() - self._began
        file = settings.metrics if settings else None
        facts = _facts(settings) if self.notify_url or file else None
        if self.notify_url:
            from .notify import notify

            why = notify(settings, self.notify_url, self.notify_days, outcome, facts)
            _say(self.notify_url, "notification", why, "the next sync tries again")
        if file and settings:
            from .metrics import write_metrics

            try:
                write_metrics(file, outcome, seconds, settings.now(), facts)
            except OSError as error:
                say(
                    f"clipmart: {file} (CLIPMART_METRICS) cannot be written ({error.strerror}). "
                    "That does not change the sync's result; the next sync tries again.",
                    "warning",
                )


def _say(url: str, what: str, why: str | None, what_follows: str) -> None:
    if why:
        say(
            f"clipmart: The {what} to {urlsplit(url).hostname} {why}. That does not change the "
            f"sync's result; {what_follows}.",
            "warning",
        )


def _facts(settings: Settings | None) -> dict[str, Any] | None:
    """What `status` reports; None if it cannot be read, which the sync itself says."""
    from .status import status

    try:
        return status(settings) if settings else None
    except Exception:
        return None
