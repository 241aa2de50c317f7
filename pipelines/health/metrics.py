"""What a sync did and what `status` reports, as numbers in a file for Prometheus.

node_exporter's textfile collector reads it. Names, units and types follow prometheus.io/docs
(practices/naming, instrumenting/exposition_formats): everything is a gauge, in seconds or bytes.
What is not known has no line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.files import write_whole
from pipelines.sync.result import SyncResult

from .checks import LEVELS
from .outcome import code_of

Sample = tuple[Mapping[str, str], float | None]

DAY_SECONDS = 86_400


def write_metrics(
    file: Path,
    outcome: SyncResult | Exception,
    seconds: float,
    now: datetime,
    facts: Mapping[str, Any] | None,
) -> None:
    """Replace the file as a whole, so that a collector never reads half of it.

    Args:
        seconds: how long the sync took.
        facts: what `status.status` returns; None if it could not be read.

    Raises:
        OSError: it cannot be written; an earlier file is unchanged.
    """
    metrics = [*_of_sync(outcome, seconds, now), *(_of_facts(facts) if facts else ())]
    write_whole(file, "".join(_lines(*metric) for metric in metrics))


def _of_sync(
    outcome: SyncResult | Exception, seconds: float, now: datetime
) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    yield "last_sync_timestamp_seconds", "When the last sync ended.", _only(now.timestamp())
    yield (
        "last_sync_exit_code",
        "How it ended: 0 done, 1 some items failed, 3 configuration, 75 try again later.",
        _only(code_of(outcome)),
    )
    yield "last_sync_duration_seconds", "How long it took.", _only(seconds)
    services = outcome.services if isinstance(outcome, SyncResult) else {}
    for name, meaning in (
        ("requests", "Requests that the last sync sent."),
        ("rejected", "Ids and records that the last sync rejected."),
        ("remaining", "Ids still due after the last sync."),
    ):
        samples = [(_service(key), getattr(result, name)) for key, result in services.items()]
        yield f"last_sync_{name}", meaning, samples


def _of_facts(facts: Mapping[str, Any]) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    services, credits = facts["services"], facts["credits"] or {}

    def each(of: str) -> list[Sample]:
        return [(_service(name), service[of]) for name, service in services.items()]

    yield "known_ids", "Tracked ids.", each("known")
    yield "open_ids", "Tracked ids that are not settled.", each("open")
    yield "due_ids", "Tracked ids to request now.", each("due")
    stuck = [(_service(name), len(service["stuck"])) for name, service in services.items()]
    yield "stuck_ids", "Jobs and campaigns that should be finished by now.", stuck
    failed = [(_service(n), s["failed"]["total"]) for n, s in services.items() if s["failed"]]
    yield "failed_ids", "Jobs and campaigns that failed.", failed
    synced = [(_service(name), _stamp(s["last_synced_at"])) for name, s in services.items()]
    yield "synced_timestamp_seconds", "When what was due was last requested in full.", synced
    yield (
        "rejected_records",
        "Records that could not be loaded, and were not loaded later.",
        _only(facts["rejected"]["records"]),
    )
    unknown = len(facts["unknown_submissions"])
    yield "unknown_submissions", "Submissions whose answer was lost.", _only(unknown)
    yield "credits_balance", "Klipit's credits.", _only(credits.get("balance"))
    days = credits.get("days_left")
    yield (
        "credits_left_seconds",
        "How long they last at the last 7 days' pace.",
        _only(None if days is None else days * DAY_SECONDS),
    )
    yield (
        "published_timestamp_seconds",
        "When the published data was published.",
        _only(_stamp(facts["published"])),
    )
    yield "disk_free_bytes", "Free on the data folder's disk.", _only(facts["disk"]["free_bytes"])
    yield "disk_stored_bytes", "Stored in the data folder.", _only(facts["disk"]["stored_bytes"])
    receiver = facts["receiver"]
    yield (
        "receiver_up",
        "Whether the receiver of webhooks runs; no line if none was started.",
        _only(None if receiver is None else int(receiver["alive"])),
    )
    levels = [({"check": c["name"]}, LEVELS.index(c["level"])) for c in facts["checks"]]
    yield "check_level", "A line of `clipmart status`: 0 ok, 1 warn, 2 fail.", levels


def _lines(name: str, meaning: str, samples: Iterable[Sample]) -> str:
    """A metric's lines; none if no sample has a value."""
    shown = [
        f"clipmart_{name}{_labels(labels)} {float(value)!r}\n"
        for labels, value in samples
        if value is not None
    ]
    head = f"# HELP clipmart_{name} {meaning}\n# TYPE clipmart_{name} gauge\n"
    return head + "".join(shown) if shown else ""


def _labels(labels: Mapping[str, str]) -> str:
    """Our own words: none has a quote, a backslash or a line break."""
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _only(value: float | None) -> list[Sample]:
    return [({}, value)]


def _service(name: str) -> dict[str, str]:
    return {"service": name}


def _stamp(instant: str | None) -> float | None:
    return datetime.fromisoformat(instant).timestamp() if instant else None
