"""The receiver's process: its socket, uvicorn within bounds, the end on a signal."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from pipelines.ledger.lock import receiving
from pipelines.output import print_line
from pipelines.settings import SECRET_CHARACTERS, Settings
from sources.shared.errors import FixConfiguration

from .http_bounds import BoundedProtocol, accepted_at_once, end_overdue
from .inbox import Inbox
from .log import libraries_logged
from .receiver import application

# Reading a body (BODY_SECONDS) and at worst two commits, the running one and its own
# (LEDGER_SECONDS each), end a request, and with it the process, within 10 s of SIGTERM.
STOPPING_SECONDS = 8
WAITING_CONNECTIONS = 2048


def listen(settings: Settings, host: str, port: int) -> None:
    """Receive webhooks until SIGTERM or SIGINT.

    Raises:
        FixConfiguration: neither secret nor token is set, the address is taken, or the ledger
            cannot be written.
    """
    if not settings.klipit_webhook_secrets and not settings.clipus_webhook_token:
        raise FixConfiguration(
            "KLIPIT_WEBHOOK_SECRET is not set, so forged events could not be recognised. "
            "Nothing was started. Set it to the signing secret of Klipit's developer settings; to "
            "receive Clipus calls alone, set CLIPUS_WEBHOOK_TOKEN."
        )
    if settings.short_webhook_secret:
        raise FixConfiguration(
            f"KLIPIT_WEBHOOK_SECRET has a secret below {SECRET_CHARACTERS} characters, which "
            "could be guessed from one signed event. Nothing was started. Set it to the whole "
            "signing secret of Klipit's developer settings; several are separated by commas."
        )
    with listening_socket(host, port, "another with --host and --port") as listening:
        inbox = Inbox(settings)
        try:
            with (
                receiving(settings.receiver, listening.getsockname()[:2], settings.now()),
                libraries_logged(),
            ):
                _Server(application(settings, inbox)).run([listening])
        finally:
            inbox.close()


class _Server(uvicorn.Server):
    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                backlog=accepted_at_once(),
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,  # uvicorn's own would contain the token
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=STOPPING_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        (listening,) = sockets or []
        listening.listen(WAITING_CONNECTIONS)  # the kernel may hold more than are accepted at once
        host, port = listening.getsockname()[:2]
        print_line(f"Listening on http://{f'[{host}]' if ':' in host else host}:{port}")

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second, by uvicorn."""
        if counter % 10 == 0:
            end_overdue(self.server_state.connections, time.monotonic())
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End cleanly on a signal; uvicorn's own handler would raise it again afterwards."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def listening_socket(host: str, port: int, another: str) -> Iterator[socket.socket]:
    """A socket bound to the address.

    Raises:
        FixConfiguration: it cannot be; the message says how to choose `another`.
    """
    try:
        # With the protocol named as TCP, asyncio turns Nagle's algorithm off.
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise FixConfiguration(
            f"Cannot listen on {host} port {port} ({error.strerror}). Nothing was started. Choose "
            f"{another}, or stop the program that uses it."
        ) from error
    with listening:
        yield listening
