"""`python -m sandbox`: both APIs until SIGTERM. Exit code 3 if the port is in use."""

from __future__ import annotations

import argparse
import sys

from sandbox.server import preload, serve
from sandbox.world import WEBHOOK_SIGNING, Sandbox


def main() -> int:
    """Serve with the options of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8900, help="0 takes any free one")
    parser.add_argument("--seed", type=int, default=0, help="decides ids and outcomes")
    parser.add_argument("--history", action="store_true", help="start with a month of use")
    parser.add_argument("--now", help="stop the clock at this instant (ISO 8601)")
    parser.add_argument("--minute-seconds", type=float, help="length of the rate minute; 0: none")
    parser.add_argument("--latency-seconds", type=float, default=0, help="how long answers take")
    parser.add_argument("--webhook-url", help="address for Klipit's signed events")
    parser.add_argument("--webhook-secret", default=WEBHOOK_SIGNING, help="secret that signs them")
    given = parser.parse_args()
    sandbox = Sandbox(
        seed=given.seed,
        now=given.now,
        minute_seconds=given.minute_seconds,
        latency_seconds=given.latency_seconds,
        webhook_url=given.webhook_url,
        webhook_secret=given.webhook_secret,
    )
    if given.history:
        preload(sandbox)
    return serve(given.port, sandbox=sandbox)


if __name__ == "__main__":
    sys.exit(main())
