"""A running receiver, and senders that are faster or less polite than an HTTP client."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any
from urllib.parse import urlsplit

import httpx

SECRET = "whsec_of_today_4f1c"


@dataclass
class Listener:
    """A receiver that runs as a process of its own."""

    process: subprocess.Popen[str]
    url: str
    ledger: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, trust_env=False, verify=False)  # noqa: S501

    def close(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.communicate()

    def post(self, path: str, body: bytes | Iterator[bytes], headers: Any = None) -> httpx.Response:
        return self.client.post(path, content=body, headers=headers)

    def klipit(self, body: bytes, signature: str | None = None) -> int:
        """Send an event, correctly signed by default; returns the status."""
        headers = {"x-klipit-signature": sign(body) if signature is None else signature}
        return self.post("/webhooks/klipit", body, headers).status_code

    def clipus(self, body: Any, query: str = "") -> int:
        return self.post("/webhooks/clipus" + query, json.dumps(body).encode()).status_code

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are, but for `connection: close`; returns all that comes back."""
        with self.connect() as connection:
            connection.sendall(request.replace(b"host: x", b"host: x\r\nconnection: close", 1))
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname, parts.port), timeout=15)

    def saved(self, columns: str = "kind, subject") -> list[tuple[Any, ...]]:
        """Events in the ledger, in order."""
        with sqlite3.connect(self.ledger, timeout=30) as con:
            rows = con.execute(f"SELECT {columns} FROM events ORDER BY seq").fetchall()
        con.close()
        return rows


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def event(job_id: str, name: str = "job.complete", **fields: Any) -> bytes:
    event = {"event": name, "job_id": job_id, "timestamp": "2026-04-08T12:04:12Z", **fields}
    return json.dumps(event).encode()


def request(body: bytes) -> bytes:
    """A signed event as it goes over the wire, to be followed by others."""
    return (
        f"POST /webhooks/klipit HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
        f"x-klipit-signature: {sign(body)}\r\n\r\n"
    ).encode() + body


@dataclass(frozen=True)
class Answered:
    body: bytes
    status: int
    """0 where the connection broke."""
    seconds: float


def flood(
    url: str,
    bodies: Iterable[bytes],
    connections: int,
    on_answer: Callable[[int], None] = lambda _: None,
) -> list[Answered]:
    """Send events over so many connections at once.

    Args:
        on_answer: called with the number of answers so far.

    Returns:
        What became of each that was sent, in the order of the answers.
    """
    return asyncio.run(_flood(urlsplit(url).port, bodies, connections, on_answer))


async def _flood(
    port: int | None, bodies: Iterable[bytes], connections: int, on_answer: Callable[[int], None]
) -> list[Answered]:
    left = ((body, request(body)) for body in bodies)
    answers: list[Answered] = []

    async def sender() -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        for body, raw in left:
            began = time.perf_counter()
            status = 0
            try:
                writer.write(raw)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r")[0])
                await reader.readexactly(length)
                status = int(head.split()[1])
            except (OSError, EOFError):
                break
            finally:
                answers.append(Answered(body, status, time.perf_counter() - began))
                on_answer(len(answers))
        writer.close()

    await asyncio.gather(*(sender() for _ in range(connections)))
    return answers


Start = Callable[..., Listener]


def start_listener(
    folder: Path,
    environ: dict[str, str],
    program: Sequence[str] = (sys.executable, "-m", "pipelines"),
    **popen: Any,
) -> Listener:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLIPMART_", "KLIPIT_", "CLIPUS_"))
    }
    process = Popen(
        [*program, "listen", "--port", "0"],
        cwd=folder,
        env={**clean, "KLIPIT_WEBHOOK_SECRET": SECRET, **environ},
        stdout=PIPE,
        text=True,
        **{"stderr": DEVNULL, **popen},
    )
    assert process.stdout is not None
    url = process.stdout.readline().rsplit(" ", 1)[-1].strip()
    return Listener(process, url, folder / "data/state/ledger.sqlite")


@contextmanager
def ended(started: list[Listener]) -> Iterator[None]:
    try:
        yield
    finally:
        for listener in started:
            listener.close()
