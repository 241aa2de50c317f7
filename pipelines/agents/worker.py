"""Processes that answer calls, so that no statement can end or block the server.

A call is a line of JSON on a worker's stdin, its answer one on its stdout. A worker is used again
until a call exceeds its limits, is cancelled or ends it; then another is started for the next call.
It ends when its stdin does, so none outlives its server.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from asyncio.subprocess import PIPE, Process
from typing import Any

from pipelines.output import print_rendered, printable, say
from pipelines.settings import load_settings
from sources.shared.errors import ClipmartError, Unusable

MOST = 2
"""Calls answered at the same time, each within the memory of one statement; others wait."""
SECONDS = 45.0
"""After which a worker is ended: a statement's own limit, and the time to open and to stop it."""
STOPPED = (
    "Stopped: it takes more time or memory than a call may. Nothing was changed. Aggregate, or "
    "narrow it with WHERE or LIMIT."
)
_LINE_BYTES = 2**24  # of an answer; the dictionary with thousands of columns is far below


class Workers:
    """Workers on demand, at most MOST at a time."""

    def __init__(self) -> None:
        self._running: set[Process] = set()
        self._idle: list[Process] = []
        self._places = asyncio.Semaphore(MOST)

    async def call(self, name: str, /, **arguments: Any) -> str:
        """The answer of a function in `answers`.

        Raises:
            Unusable: the call failed, as the message says, or it was stopped.
        """
        line = json.dumps([name, arguments]) + "\n"
        async with self._places:
            self._idle = [worker for worker in self._idle if worker.returncode is None]
            worker = self._idle.pop() if self._idle else await self._start()
            try:
                async with asyncio.timeout(SECONDS):
                    answer = await _exchange(worker, line)
            except TimeoutError:
                answer = b""
            except BaseException:  # cancelled: the answer has no reader
                self._end(worker)
                raise
            if answer:
                self._idle.append(worker)
            else:
                self._end(worker)
        if not answer:
            raise Unusable(STOPPED)
        outcome: dict[str, str] = json.loads(answer)
        if "error" in outcome:
            raise Unusable(outcome["error"])
        return outcome["answer"]

    def kill(self) -> None:
        """End all of them, also in the middle of a call."""
        for worker in list(self._running):
            self._end(worker)

    async def _start(self) -> Process:
        worker = await asyncio.create_subprocess_exec(
            # -P: no module of the working folder, which may be anyone's, is imported.
            *(sys.executable, "-P", "-m", "pipelines.agents.worker"),
            stdin=PIPE,
            stdout=PIPE,
            limit=_LINE_BYTES,
            start_new_session=True,  # Ctrl-C ends the server, and the server its workers
        )
        self._running.add(worker)
        return worker

    def _end(self, worker: Process) -> None:
        self._running.discard(worker)
        if worker.returncode is None:
            worker.kill()


async def _exchange(worker: Process, line: str) -> bytes:
    """The worker's answer to a call; empty if it has ended."""
    if worker.stdin is None or worker.stdout is None:
        return b""
    try:
        worker.stdin.write(line.encode())
        await worker.stdin.drain()
        return await worker.stdout.readline()
    except ConnectionError:
        return b""


def main() -> None:
    """Answer the calls on stdin until it ends."""
    for line in os.fdopen(0, encoding="utf-8"):
        name, arguments = json.loads(line)
        print_rendered(json.dumps(_outcome(name, arguments)) + "\n")


def _outcome(name: str, arguments: dict[str, Any]) -> dict[str, str]:
    from pipelines.reports.query import TooMuch

    from . import answers

    try:
        # Read for each call: a file of settings may change while the server runs.
        return {"answer": getattr(answers, name)(load_settings(), **arguments)}
    except TooMuch:
        return {"error": STOPPED}
    except ClipmartError as error:
        return {"error": printable(str(error))}
    except Exception as error:
        if type(error).__module__.endswith("duckdb"):
            from pipelines.landing.store import duckdb_error

            return {"error": printable(str(duckdb_error(load_settings(), error)))}
        for trace in traceback.format_exc().splitlines():
            say(trace, "error")
        return {
            "error": "The call failed unexpectedly; what `clipmart mcp` wrote to stderr says why."
        }


if __name__ == "__main__":
    main()
