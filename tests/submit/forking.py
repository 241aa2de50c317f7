"""Run as a program: for each line, [arguments, seconds], forks a child that runs them as a command.

After so many seconds it is killed, or awaited where they are null. The imports are paid once, so
that a kill at a random moment hits the submission and not them. Prints how long the child lived.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import duckdb  # noqa: F401 - paid before the fork

import pipelines.submissions.request
import pipelines.submissions.submit
import pipelines.warehouse  # noqa: F401
from pipelines.cli import main


def serve() -> None:
    for line in sys.stdin:
        arguments, kill_after_seconds = json.loads(line)
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            main(arguments, prog_name="clipmart")
        if kill_after_seconds is not None:
            time.sleep(kill_after_seconds)
            # Ended or not, the number is still its own: nobody has waited for it yet.
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print(time.monotonic() - began, flush=True)


if __name__ == "__main__":
    serve()
