"""How long it takes: known ids and known limits give a true answer.

Requests go out as soon as a slot is free, a minute after its last answer. So n requests under a
limit of L a minute of which u are in use need a wait of ceil((n - (L - u)) / L) windows, each of
them a rate minute and the time of an answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sources.shared.slots import Bucket, RateSlots


def seconds_needed(
    slots: RateSlots, needed: Mapping[Bucket, int], latency_seconds: float = 0.0
) -> float | None:
    """Seconds until the last request can be sent; None while a limit is not known.

    Buckets are spent side by side, so the slowest decides.

    Args:
        needed: bucket → requests that it is still to send.
        latency_seconds: how long an answer takes, as far as it is known.
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
