"""How long a sync takes: an exact answer, since ids and limits are known.

A request is sent as soon as a slot is free, a minute after its last answer. With a limit of L a
minute, u of them in use, n requests wait for ceil((n - (L - u)) / L) windows. A window is a rate
minute plus the time that an answer takes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sources.shared.slots import Bucket, RateSlots


def seconds_needed(
    slots: RateSlots, needed: Mapping[Bucket, int], latency_seconds: float = 0.0
) -> float | None:
    """Seconds until the last request can be sent; None while a limit is unknown.

    Buckets are used side by side, so the slowest decides.

    Args:
        needed: bucket → requests that are still to be sent.
        latency_seconds: how long an answer takes; 0 if that is unknown.
    """
    waits = [0.0]
    for bucket, requests in needed.items():
        limit = slots.limit(bucket)
        if requests == 0 or slots.minute_seconds == 0:
            continue
        if limit is None:
            return None
        beyond = requests - max(limit - slots.in_use(bucket), 0)
        window = slots.minute_seconds + latency_seconds
        waits.append(max(math.ceil(beyond / limit), 0) * window)
    return max(waits)
