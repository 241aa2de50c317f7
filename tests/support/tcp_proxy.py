"""A TCP proxy on loopback: it counts round trips, delays answers, and can vanish."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """Forwards to a port of this machine until `vanishes_after` questions have passed."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.seconds = 0.0
        """By how much each answer is late."""
        self.questions = 0
        """How often a client's words followed the server's: what takes a round trip."""
        self.vanishes_after: int | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def away(self) -> bool:
        return self.vanishes_after is not None and self.questions >= self.vanishes_after

    def close(self) -> None:
        self._listening.close()
        self._close_all()

    def _close_all(self) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self.away:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self.target))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [client, server]
                turn = threading.Event()
                for sides in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._forward, args=(*sides, turn), daemon=True).start()

    def _forward(
        self, source: socket.socket, sink: socket.socket, asks: bool, asked: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if asks and not asked.is_set():
                    asked.set()
                    self.questions += 1
                    if self.away:
                        self._close_all()
                        return
                elif not asks and asked.is_set():
                    asked.clear()
                    time.sleep(self.seconds)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(address: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before a server's address, and that address through it."""
    port = int(address.rpartition(":")[2].partition("/")[0])
    running = Proxy(port)
    try:
        yield running, address.replace(f":{port}", f":{running.port}")
    finally:
        running.close()
