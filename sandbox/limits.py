"""Rate limits: a sliding window over arrivals, on the machine's monotonic clock.

Sources: Klipit reference, "Rate limits" (per minute); Clipus reference, "Rate limits"
(X-RateLimit-Limit, requests a minute by plan). That the window slides, and that a
refused arrival does not count, is this server's choice: neither is documented.
"""

from __future__ import annotations

from collections import defaultdict, deque


class Limits:
    """Windows by bucket, `minute_seconds` long; 0 turns all limits off."""

    def __init__(self, minute_seconds: float) -> None:
        self.minute_seconds = minute_seconds
        self._arrivals: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def admit(self, bucket: tuple[str, str], limit: int, arrived: float) -> float:
        """Count an arrival (monotonic seconds).

        Returns:
            0 if it is admitted, otherwise the seconds until the window has space.
        """
        if not self.minute_seconds:
            return 0
        window = self._arrivals[bucket]
        while window and window[0] <= arrived - self.minute_seconds:
            window.popleft()
        if len(window) < limit:
            window.append(arrived)
            return 0
        # With a limit of 0, or one lowered at run time, it takes longer than this.
        return window[0] + self.minute_seconds - arrived if window else self.minute_seconds
