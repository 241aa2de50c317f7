"""A server that stores what is posted to it, like a chat's webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """Keeps what is posted to it."""

    url: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    """Of its answers."""
    posts: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Path, headers and body of every request, as they came."""

    def take_pings(self) -> list[tuple[str, str]]:
        """Path and body of each request since the last call."""
        requests, self.requests = self.requests, []
        return [
            (request.partition("\n")[0], request.partition("\n\n")[2].strip())
            for request in requests
        ]

    def take(self) -> list[dict[str, Any]]:
        """What came since the last call."""
        posts, self.posts = self.posts, []
        return posts


@contextmanager
def receiving_posts() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.requests.append(f"{self.path}\n{self.headers}\n{body.decode()}")
            if self.headers["content-type"] == "application/json":
                receiver.posts.append(json.loads(body))
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(
            f"http://127.0.0.1:{server.server_port}/services/T0/s3cret?m={{{{.text}}}}"
        )
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield receiver
        server.shutdown()
