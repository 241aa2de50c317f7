"""The receiver protects itself: memory, connections, time and its log are bounded."""

from __future__ import annotations

import re
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import repeat
from pathlib import Path

import pytest

from tests.support.listen_client import Listener, Start, ended, event, request, start_listener

MIB = 1 << 20
HEAD = b"POST /webhooks/klipit HTTP/1.1\r\nhost: x\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n"
SOON = "import pipelines.webhooks.http_bounds as bounds; bounds.REQUEST_SECONDS = 1.0;"
COMMAND = "from pipelines.cli import main; main(prog_name='clipmart')"


@pytest.fixture(scope="module")
def hasty_listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    """A receiver that waits for 1 s instead of 10."""
    hasty = [sys.executable, "-c", SOON + COMMAND]
    listener = start_listener(tmp_path_factory.mktemp("hasty"), {}, program=hasty)
    with ended([listener]):
        yield listener


@contextmanager
def little_memory(listener: Listener) -> Iterator[None]:
    """The receiver's memory never passes 150 MiB meanwhile."""
    proc = Path(f"/proc/{listener.process.pid}")
    (proc / "clear_refs").write_text("5")  # the peak starts again from now
    yield
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", (proc / "status").read_text())
    assert int(peak) < 150 * 1024


def pour(connection: socket.socket, pieces: Iterator[bytes], most_bytes: int) -> bytes:
    """Send until so many bytes are sent or refused, 3 s at most; returns what was answered."""
    connection.settimeout(0.2)
    deadline = time.monotonic() + 3
    answer, sent, open_ = b"", 0, True
    try:
        while open_ and sent < most_bytes and time.monotonic() < deadline:
            readable, writable, _ = select.select([connection], [connection], [], 0.2)
            if readable:
                part = connection.recv(MIB)
                answer, open_ = answer + part, bool(part)
            if writable:
                sent += connection.send(next(pieces))
    except OSError:
        pass
    return answer


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        pytest.param(b"POST /", b"x" * 65536, id="an endless path"),
        pytest.param(HEAD + b"a: ", b"x" * 65536, id="an endless header"),
        pytest.param(HEAD, b"a:\r\n" * 16384, id="endless headers"),
        pytest.param(b"", b"\r\n" * 32768, id="endless line ends"),
        pytest.param(CHUNKED + b"a: ", b"x" * 65536, id="an endless trailer"),
        pytest.param(CHUNKED, b"a:\r\n" * 16384, id="endless trailers"),
        pytest.param(HEAD + b"transfer-encoding: chunked\r\n\r\n1;a=", b"x" * 65536, id="a chunk"),
    ],
)
def test_endless_headers_are_refused_in_little_memory(
    shared_listener: Listener, start: bytes, piece: bytes
) -> None:
    """431 after 32 KiB or 100 headers, and the connection ends."""
    with little_memory(shared_listener), shared_listener.connect() as connection:
        connection.sendall(start)
        answer = pour(connection, repeat(piece), 32 * MIB)
    # A sender that goes on after the end may lose the answer to a reset.
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    with shared_listener.connect() as connection:
        connection.sendall(start + piece[:40_000])
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_headers_as_large_as_proxies_send_are_taken(shared_listener: Listener) -> None:
    """A signed event with 50 headers of 500 bytes."""
    padding = b"".join(b"x-%d: %s\r\n" % (n, b"x" * 500) for n in range(50))
    raw = request(event("job_padded")).replace(b"host: x\r\n", b"host: x\r\n" + padding)
    assert shared_listener.raw(raw).startswith(b"HTTP/1.1 200 ")


def test_many_connections_at_the_bounds_take_little_memory(start: Start) -> None:
    """500 senders at once, each with nearly as many headers and bytes as it may send."""
    listener = start()
    heads = HEAD + b"".join(b"%d:%s\r\n" % (n, b"x" * 330) for n in range(90))
    with little_memory(listener), ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(listener.connect()).sendall(heads)
        assert listener.klipit(event("job_among_many")) == 200


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n" * 3600, id="smallest"),
        pytest.param(request(event("j")) * 200, id="events", marks=pytest.mark.soak),
    ],
)
def test_one_pipelining_connection_takes_little_memory(
    shared_listener: Listener, piece: bytes
) -> None:
    """Requests are read no faster than they are answered; other senders go on."""
    with little_memory(shared_listener), shared_listener.connect() as connection:
        sender = threading.Thread(target=pour, args=(connection, repeat(piece), 32 * MIB))
        sender.start()
        assert shared_listener.klipit(event("job_beside")) == 200
        sender.join()


def test_a_pipelining_sender_that_reads_nothing_is_ended(hasty_listener: Listener) -> None:
    """Its answers are not accumulated."""
    with little_memory(hasty_listener), hasty_listener.connect() as connection:
        connection.settimeout(5)
        with pytest.raises((ConnectionError, TimeoutError)):
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * 3_600_000)


def test_pipelined_events_are_each_answered_and_saved(listener: Listener) -> None:
    """500 in one go, the last with `connection: close`."""
    bodies = [event(f"job_{n}") for n in range(500)]
    last = request(bodies[-1]).replace(b"host: x", b"host: x\r\nconnection: close")
    with listener.connect() as connection:
        connection.sendall(b"".join(map(request, bodies[:-1])) + last)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 200 OK") == 500
    assert [subject for _, subject in listener.saved()] == [f"job_{n}" for n in range(500)]


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(HEAD, b"HTTP/1.1 408 ", id="half a head"),
        pytest.param(
            b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n", b"HTTP/1.1 404 ", id="no body"
        ),
    ],
)
def test_a_sender_that_stops_is_ended(hasty_listener: Listener, sent: bytes, answer: bytes) -> None:
    """Also if it continues byte by byte: the time counts from the last answer."""
    with hasty_listener.connect() as connection:
        connection.sendall(sent)
        began = time.monotonic()
        got = pour(connection, _slowly(b"a" if sent else b""), MIB)
    assert got.startswith(answer) and time.monotonic() - began < 3


def _slowly(piece: bytes) -> Iterator[bytes]:
    while True:
        time.sleep(0.1)
        yield piece


def few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))


def test_idle_connections_do_not_shut_others_out(start: Start, tmp_path: Path) -> None:
    """Far more than it has descriptors for: the oldest idle one is ended, the log stays short."""
    log = tmp_path / "log"
    with log.open("w") as stderr, ExitStack() as stack:
        listener = start({"stderr": stderr, "preexec_fn": few_descriptors})
        for number in range(300):
            idle = stack.enter_context(listener.connect())
            if number % 2:
                idle.sendall(HEAD)
        for number in range(20):
            assert listener.klipit(event(f"job_{number}")) == 200
            listener.client.close()
            listener.__post_init__()
    assert log.stat().st_size < 5000


def test_no_descriptor_left_is_a_few_lines(start: Start, tmp_path: Path) -> None:
    """Its limit is lowered below what is open: it says so briefly, and continues later."""
    log = tmp_path / "log"
    with log.open("w") as stderr:
        listener = start({"stderr": stderr})
        assert listener.klipit(event("job_1")) == 200
        listener.client.close()
        listener.__post_init__()
        resource.prlimit(listener.process.pid, resource.RLIMIT_NOFILE, (8, 4096))
        with ExitStack() as stack:
            for _ in range(50):
                stack.enter_context(listener.connect())
            time.sleep(1.5)
        resource.prlimit(listener.process.pid, resource.RLIMIT_NOFILE, (1024, 4096))
        assert listener.klipit(event("job_2")) == 200
    text = log.read_text()
    assert "Too many open files" in text and "Traceback" not in text
    assert len(text) < 5000


def test_an_unread_log_does_not_hold_up_the_end(start: Start) -> None:
    """Nobody reads stderr while libraries and requests fill it; SIGTERM ends it nevertheless."""
    noisy = (
        "import asyncio, logging, pipelines.webhooks.server as server\n"
        "async def complain():\n"
        "    while True:\n"
        "        logging.getLogger('asyncio').error('x' * 5000)\n"
        "        await asyncio.sleep(0.001)\n"
        "startup = server._Server.startup\n"
        "async def noisy(self, sockets=None):\n"
        "    self.noise = asyncio.create_task(complain())\n"
        "    await startup(self, sockets)\n"
        "server._Server.startup = noisy\n"
    )
    program = [sys.executable, "-c", noisy + COMMAND]
    listener = start({"stderr": subprocess.PIPE, "program": program})
    for _ in range(1500):
        assert listener.client.get("/healthz").status_code == 200
    listener.process.terminate()
    assert listener.process.wait(10) == 0
