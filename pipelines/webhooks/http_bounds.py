"""The receiver's HTTP protocol: bounds on the memory, time and descriptors that senders can use.

uvicorn's own has no bound before a request's body, and reads pipelined requests faster than it
answers them. Here a connection holds at most one request being read, one being answered and the
rest of one read.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

OVERHEAD_BYTES = 32 * 1024
"""Request line, headers, trailers and chunk framing together."""
HEADERS = 100
READ_BYTES = 32 * 1024
PIECE_BYTES = 512
"""The parser's input at a time: it cannot be stopped between the requests in it."""
REQUEST_SECONDS = 10.0
"""For the head, counted from the connection or the last answer; then again for the answer."""
CONNECTIONS = 512


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to count the connection's time; end another one if there are too many."""
        super().connection_made(transport)
        transport.max_size = READ_BYTES  # type: ignore[attr-defined] # asyncio's own is 256 KiB
        self.flow: _Flow = _Flow(transport)
        self._unread = b""
        self._overhead = 0
        self._in_head = True
        self._renew()
        if len(self.connections) > most_connections():
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, if no earlier request waits for its answer."""
        self._unread = self._unread + data if self._unread else data
        self._read()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, or refuse the request if it has too many."""
        if not self._in_head:
            return  # a trailer holds nothing that is used here
        if len(self.headers) == HEADERS:
            raise ValueError("too many headers")  # ends the parsing, in `send_400_response`
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Allow the answer its own time."""
        self._in_head = False
        self._renew()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count a body's bytes no longer as overhead."""
        self._overhead -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the next request's head."""
        self._in_head, self._overhead = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Allow the next request its own time, and parse what was held back."""
        self._renew()
        super().on_response_complete()
        if self._unread:
            self._read()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be parsed, with 431 if it has too many headers."""
        if len(self.headers or ()) == HEADERS:
            self._refuse(431, f"A request has at most {HEADERS} headers.")
        else:
            self._refuse(400, msg)

    def end_if_overdue(self, now: float) -> None:
        """End the connection if sending the request or reading the answer takes too long."""
        if now < self.due:
            return
        if self._in_head and self._overhead and not self.transport.is_closing():
            self._refuse(408, f"A request's headers took longer than {REQUEST_SECONDS:g} s.")
        else:
            self.transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, or for the rest of a request's head."""
        return self._in_head and not self._answering and not self.transport.is_closing()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _renew(self) -> None:
        self.due = self.loop.time() + REQUEST_SECONDS

    def _read(self) -> None:
        """Parse until a request waits for its answer, and read no more before it has it."""
        while self._unread and not self.transport.is_closing():
            if self._in_head and self._answering:
                break
            piece, self._unread = self._unread[:PIECE_BYTES], self._unread[PIECE_BYTES:]
            self._overhead += len(piece)
            super().data_received(piece)
            if self._overhead > OVERHEAD_BYTES:
                self._refuse(431, f"Headers and trailers are at most {OVERHEAD_BYTES} bytes.")
        if self._unread or self.flow.holds:
            self.flow.hold(bool(self._unread))

    def _refuse(self, status: int, why: str) -> None:
        if self._in_head and self._answering:
            self.cycle.keep_alive = False  # the earlier request gets its answer first
            return
        if self._in_head or not self.cycle.response_started:
            self.transport.write(
                STATUS_LINE[status]
                + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
                + f"content-length: {len(why)}\r\n\r\n{why}".encode()
            )
        self.transport.close()

    def _make_room(self) -> None:
        """End the connection that has waited longest without a request; else this new one."""
        waiting = [
            other
            for other in self.connections
            if isinstance(other, BoundedProtocol) and other.is_idle
        ]
        min(waiting, key=lambda other: other.due, default=self).transport.abort()


def end_overdue(connections: Iterable[Any], now: float) -> None:
    """End connections that take too long; to be called about once a second."""
    for connection in list(connections):
        connection.end_if_overdue(now)


def most_connections() -> int:
    """Below the limit of descriptors, which asyncio overshoots while it accepts a batch."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(CONNECTIONS, descriptors // 2)


def accepted_at_once() -> int:
    """Connections in such a batch."""
    return max(1, min(128, most_connections() // 4))


class _Flow(FlowControl):
    """Reading stays paused while data is held, even if uvicorn resumes it."""

    holds = False

    def hold(self, holds: bool) -> None:
        held, self.holds = self.holds, holds
        if holds:
            self.pause_reading()
        elif held:
            self.resume_reading()

    def resume_reading(self) -> None:
        if not self.holds:
            super().resume_reading()
