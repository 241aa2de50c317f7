"""`sync --notify`: what changed since the last notification, posted once as a small JSON.

`text` is what Slack's incoming webhooks and the like require and show; ntfy shows it if the topic's
address has a template for it (docs/health.md). What was posted is recorded in the ledger, an event
for each change; if the ledger cannot be read, every sync posts everything.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pipelines.ledger.compaction import remove_replaced
from pipelines.ledger.ledger import Event, Ledger, open_ledger
from pipelines.output import printable
from pipelines.settings import Settings
from pipelines.stop import Stopped
from pipelines.sync.result import SyncResult
from sources.shared.errors import ClipmartError, TryAgainLater
from sources.shared.slots import fingerprint

from .attention import rejected_in_sync
from .checks import LEVELS, Check, Level, assess, worst_level
from .outcome import code_of, message_of
from .post import post

POST_SECONDS = 10.0
MOST_BYTES = 3000  # of the text; ntfy turns a message longer than 4,096 into a file
WATCHED = ("credits", "stuck jobs", "stuck campaigns", "odd values", "disk", "receiver")


@dataclass(frozen=True)
class Posted:
    """The state of a check that was last posted to an address."""

    level: Level = "ok"
    items: frozenset[str] = frozenset()

    def covers(self, check: Check) -> bool:
        """Whether there is nothing to post: still ok, or no worse and without new items."""
        if check.level == "ok":
            return self.level == "ok"
        no_worse = LEVELS.index(check.level) <= LEVELS.index(self.level)
        return no_worse and self.items.issuperset(check.items)


def notify(
    settings: Settings | None,
    url: str,
    days: float | None,
    outcome: SyncResult | Exception,
    facts: Mapping[str, Any] | None,
) -> str | None:
    """Post what changed; returns why that failed, None if it did not or nothing changed.

    Args:
        settings: None if they could not be read.
        days: credits for fewer days are posted; None: as the settings say.
        outcome: how the sync ended.
        facts: what `status.status` returns; None if it could not be read.
    """
    stopped = isinstance(outcome, SyncResult) and outcome.exit_code == 75 and outcome.stopped
    if stopped or isinstance(outcome, Stopped):
        return None  # the person who stopped it knows
    try:
        return _notify(settings, url, [*_outcome(outcome), *_watched(facts, days)])
    except Exception as error:
        # No error here may change how the sync itself ends.
        return f"failed ({type(error).__name__})"


def notify_text(settings: Settings | None, url: str, text: str) -> None:
    """Post a text of the operator's.

    Args:
        settings: None if they could not be read.

    Raises:
        TryAgainLater: it could not be posted; the message leaves out the address.
    """
    title = f"clipmart on {socket.gethostname()}"
    payload = {"title": title, "level": "warn", "problems": [], "resolved": []}
    payload["text"] = _shortened(f"{title}: {_harmless(text, settings)}")
    if why := post(url, POST_SECONDS, json=payload):
        raise TryAgainLater(
            f"The notification to {urlsplit(url).hostname} {why}. Nothing else was done. Check the "
            "address, then run the command again."
        )


def _notify(settings: Settings | None, url: str, checks: list[Check]) -> str | None:
    ledger = None
    with suppress(ClipmartError):
        ledger = open_ledger(settings) if settings else None
    try:
        target = fingerprint(url)
        posted = _posted(ledger, target) if ledger else {}
        changed = [check for check in checks if not posted.get(check.name, Posted()).covers(check)]
        if not changed:
            return None
        why = post(url, POST_SECONDS, json=_payload(settings, changed))
        if why is None and ledger is not None and settings is not None:
            ledger.add(_event(check, target, settings) for check in changed)
            remove_replaced(
                ledger, "clipmart", "notified", lambda event: (event.subject, event.body["target"])
            )
        return why
    finally:
        if ledger is not None:
            ledger.close()


def _outcome(outcome: SyncResult | Exception) -> Iterator[Check]:
    """How the sync ended, as a whole and for each service.

    'Try again later' is neither a failure nor a recovery: if it lasts, freshness is lost.
    """
    if isinstance(outcome, TryAgainLater):
        return
    if isinstance(outcome, Exception):
        yield _failed("sync", message_of(outcome), code_of(outcome))
    else:
        if outcome.error is None:
            yield Check("sync", "ok", "succeeds again")
        elif outcome.exit_code != 75:
            yield _failed("sync", outcome.error, outcome.exit_code)
        for name, service in outcome.services.items():
            if service.exit_code == 0:
                yield Check(f"{name} sync", "ok", "succeeds again")
            elif service.exit_code != 75:
                message = service.error or f"{rejected_in_sync(service.rejected)}."
                yield _failed(f"{name} sync", message, service.exit_code)


def _failed(name: str, message: str, code: int) -> Check:
    return Check(name, "fail", f"exit {code}. {message}", fails_with=code, items=(str(code),))


def _watched(facts: Mapping[str, Any] | None, days: float | None) -> Iterator[Check]:
    """What else is worth a message; not a service never synced, which another check reports."""
    if facts is None:
        return
    synced = {
        f"{name} synced"
        for name, service in facts["services"].items()
        if service["hours_since_sync"] is not None
    }
    if facts["receiver"] is None:
        yield Check("receiver", "ok", "none is expected to run")
    yield from (c for c in assess(facts, days) if c.name in WATCHED or c.name in synced)


def _posted(ledger: Ledger, target: str) -> dict[str, Posted]:
    """Check's name → what was last posted of it to this address."""
    return {
        event.subject or "": Posted(event.body["level"], frozenset(event.body["items"]))
        for event in ledger.events("clipmart", kinds=("notified",))
        if event.body["target"] == target
    }


def _event(check: Check, target: str, settings: Settings) -> Event:
    body = {"target": target, "level": check.level, "items": list(check.items)}
    return Event("clipmart", "notified", uuid.uuid4().hex, check.name, settings.now(), body)


def _payload(settings: Settings | None, changed: list[Check]) -> dict[str, Any]:
    problems = [check for check in changed if check.level != "ok"]
    resolved = [check for check in changed if check.level == "ok"]
    counts = [f"{len(problems)} problem{'s' * (len(problems) > 1)}"] if problems else []
    counts += [f"{len(resolved)} resolved"] if resolved else []
    title = f"clipmart on {socket.gethostname()}: {', '.join(counts)}"
    lines = [f"{c.level.upper()} {c.name}: {c.message} {c.remedy}".rstrip() for c in problems]
    lines += [f"resolved: {check.name} ({check.message})" for check in resolved]
    text = "\n".join([title, *(_harmless(line, settings) for line in lines)])
    return {
        "text": _shortened(text),
        "title": title,
        "level": worst_level(check.level for check in problems),
        "problems": [check.name for check in problems],
        "resolved": [check.name for check in resolved],
    }


def _shortened(text: str) -> str:
    if len(text.encode()) <= MOST_BYTES:
        return text
    shown = text.encode()[:MOST_BYTES].decode(errors="ignore")
    return f"{shown}… `clipmart status` shows the rest."


def _harmless(line: str, settings: Settings | None) -> str:
    """A line without secrets, and without what Slack reads as a mention or a link."""
    if settings is not None:
        line = settings.without_secrets(line)
    return printable(line).replace("<", "‹").replace(">", "›")  # noqa: RUF001 - quotation marks
