"""How long it takes: known ids and known limits give a true answer.

Requests go out as soon as a slot is free, a minute after its last answer. So n requests under a
limit of L a minute of which u are in use need a wait of ceil((n - (L - u)) / L) windows, each of
them a rate minute and the time of an answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sources.clipus.settings import requests_bucket
from sources.klipit.settings import clips_bucket, polls_bucket
from sources.shared.slots import Bucket, RateSlots, fingerprint

from .worklist import Due


@dataclass(frozen=True)
class Need:
    """Requests that one bucket is still to send."""

    bucket: Bucket
    requests: int


def needs(service: str, key: str, due: Iterable[Due]) -> list[Need]:
    """What a service's due ids need at most: each polled job is counted with a clip read."""
    items = list(due)
    name = fingerprint(key)
    if service == "clipus":
        return [Need(requests_bucket(name), len(items))]
    return [
        Need(polls_bucket(name), sum(item.poll for item in items)),
        Need(clips_bucket(name), len(items)),
    ]


def seconds_needed(
    slots: RateSlots, wanted: Iterable[Need], latency_seconds: float = 0.0
) -> float | None:
    """Seconds until the last request can be sent; None while a limit is not known.

    Buckets are spent side by side, so the slowest decides.

    Args:
        latency_seconds: how long an answer takes, as far as it is known.
    """
    waits = [0.0]
    for need in wanted:
        limit = slots.limit(need.bucket)
        if need.requests == 0 or slots.minute_seconds == 0:
            continue
        if limit is None:
            return None
        beyond = need.requests - max(limit - slots.in_use(need.bucket), 0)
        window = slots.minute_seconds + latency_seconds
        waits.append(max(math.ceil(beyond / limit), 0) * window)
    return max(waits)
