"""`python -m sandbox`: both APIs until SIGTERM. Exit code 3 where the port is taken."""

from __future__ import annotations

import argparse
import sys

from sandbox.server import preload, serve
from sandbox.world import WEBHOOK_SIGNING, Sandbox


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8900, help="0 takes any free one")
    parser.add_argument("--seed", type=int, default=0, help="decides ids and outcomes")
    parser.add_argument("--history", action="store_true", help="begin with a month of use")
    parser.add_argument("--now", help="stand still at this instant (ISO 8601)")
    parser.add_argument("--minute-seconds", type=float, help="length of the rate minute; 0: none")
    parser.add_argument("--latency-seconds", type=float, default=0, help="how long answers take")
    parser.add_argument("--webhook-url", help="where Klipit's signed events go")
    parser.add_argument("--webhook-secret", default=WEBHOOK_SIGNING, help="what signs them")
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
