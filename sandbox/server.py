"""Runs a sandbox: in a thread for tests and the demo, or as a program of its own.

The socket is created here, so that its port is known before it serves, and a port in use
is one clear message. IPPROTO_TCP must be given: without it asyncio leaves Nagle's algorithm
on, and a persistent connection serves a tenth of the requests.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox import believable
from sandbox.accounts import CLIPUS_KEY, KLIPIT_KEY
from sandbox.app import App
from sandbox.world import Sandbox


class _Protocol(HttpToolsProtocol):
    """Adds its transport to each request, so that faults can close the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions = cast("dict[str, object]", self.scope.setdefault("extensions", {}))
        extensions["sandbox.transport"] = self.transport


class _Server(uvicorn.Server):
    """Reports when it serves, and delivers webhooks in the background if so configured."""

    def __init__(
        self, sandbox: Sandbox, *, deliver_webhooks: bool, on_start: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                App(sandbox),
                http=_Protocol,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,  # the domain clock's Date is sent instead
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
            )
        )
        self._on_start = on_start
        self._stopped = asyncio.Event()
        self._sandbox = sandbox
        self._deliver_webhooks = deliver_webhooks

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._webhooks = asyncio.create_task(self._deliver()) if self._deliver_webhooks else None
        self._on_start()

    async def main_loop(self) -> None:
        """Wait for `stop`; uvicorn's own loop checks only ten times a second."""
        await self._stopped.wait()

    def stop(self, *_: object) -> None:
        """End the server soon; from any thread, or as a signal handler."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._webhooks:
            self._webhooks.cancel()
            with suppress(asyncio.CancelledError):
                await self._webhooks
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # so that idle connections report that they are closed
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)  # sleeps a tenth of a second even if nothing is open

    async def _deliver(self) -> None:
        while True:
            await self._sandbox.webhooks.deliver_due(self._sandbox.clock.now())
            await asyncio.sleep(0.2)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`: uvicorn would raise them again at the end."""
        yield


def _bind(sandbox: Sandbox, host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    sandbox.url = f"http://{host}:{listening.getsockname()[1]}"
    return listening


@contextmanager
def running(
    sandbox: Sandbox, *, port: int = 0, deliver_webhooks: bool = False
) -> Iterator[Sandbox]:
    """Serve in a thread of this process, on a free port unless one is given.

    Args:
        deliver_webhooks: send them in the background as the clock passes them; without,
            call `sandbox.deliver_due_webhooks()`.
    """
    listening = _bind(sandbox, "127.0.0.1", port)
    serving = threading.Event()
    server = _Server(sandbox, deliver_webhooks=deliver_webhooks, on_start=serving.set)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    if not serving.wait(10):
        raise RuntimeError("The sandbox did not start within 10 s.")
    try:
        yield sandbox
    finally:
        server.stop()
        thread.join(10)
        listening.close()


def serve(
    port: int = 8900,
    *,
    host: str = "127.0.0.1",
    sandbox: Sandbox | None = None,
    clipmart: str = "clipmart",
) -> int:
    """Serve until SIGTERM or SIGINT, with webhooks; prints addresses and keys to stdout.

    A sandbox starts empty, with all its credits and this month's videos. For a month that is
    ready to be tracked, pass one on which `preload` was called.

    Args:
        clipmart: how to start the command line from here, for the printed lines.

    Returns:
        The exit code: 0, or 3 if the port cannot be used.
    """
    sandbox = sandbox or Sandbox()
    try:
        listening = _bind(sandbox, host, port)
    except OSError as error:
        sys.stderr.write(
            f"The sandbox cannot listen on {host}:{port} ({error.strerror}). Nothing was "
            "started; choose another port, or 0 for any free one.\n"
        )
        return 3

    def announce() -> None:
        for number in before:
            signal.signal(number, server.stop)
        sys.stdout.write(_addresses(sandbox, clipmart))
        sys.stdout.flush()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    server = _Server(sandbox, deliver_webhooks=True, on_start=announce)
    try:
        server.run([listening])
    finally:
        listening.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _addresses(sandbox: Sandbox, clipmart: str) -> str:
    lines = [
        f"# Both APIs, served at {sandbox.url} until you stop this. Paste into another shell:",
        f"export KLIPIT_BASE_URL={sandbox.klipit_url}",
        f"export KLIPIT_API_KEY={KLIPIT_KEY}",
        f"export CLIPUS_BASE_URL={sandbox.clipus_url}",
        f"export CLIPUS_API_KEY={CLIPUS_KEY}",
    ]
    if sandbox.jobs:
        lines += [
            f"# {len(sandbox.jobs)} jobs and {len(sandbox.campaigns)} campaigns to track:",
            f"curl -s {sandbox.url}/_sandbox/klipit.csv | {clipmart} track klipit --from -",
            f"curl -s {sandbox.url}/_sandbox/clipus.csv | {clipmart} track clipus --from -",
        ]
    return "\n".join(lines) + "\n"


def preload(sandbox: Sandbox, end: datetime | None = None) -> None:
    """Add a month of use that ends at `end` (default: the sandbox's now).

    The used-up videos of the month are given back, so that campaigns can still be submitted.
    """
    end = end or sandbox.clock.now()
    quota = sandbox.plans["growth"].videos_per_month
    sandbox.relive(
        believable.month_of_use(sandbox.seed, end, balance=sandbox.balance, videos_per_month=quota)
    )
    sandbox.videos_used.clear()
