"""The process: how it starts, what it prints, how it ends, and a ledger that cannot be used."""

from __future__ import annotations

import fcntl
import json
import resource
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.clipmart import Clipmart
from tests.support.listen_client import SECRET, Listener, Start, event, request


def test_it_needs_neither_dlt_nor_duckdb(clipmart: Clipmart) -> None:
    """A receiver starts soon and stays small."""
    code = (
        "import sys, pipelines.cli.commands, pipelines.webhooks.server;"
        "print([m for m in ('dlt', 'duckdb', 'pandas', 'pyarrow', 'sqlmesh') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_refuses_to_start_without_a_secret(clipmart: Clipmart) -> None:
    """Exit 3, naming the variable, in one line."""
    done = clipmart("listen")
    assert (done.code, done.out) == (3, "")
    assert "KLIPIT_WEBHOOK_SECRET" in done.err
    assert done.err.count("\n") == 1
    assert not clipmart.data_dir.exists()


def test_a_secret_that_can_be_guessed_is_refused(clipmart: Clipmart) -> None:
    """Fewer than 16 characters, in any part of the list: exit 3, without the secret itself."""
    clipmart.environ["KLIPIT_WEBHOOK_SECRET"] = f"{SECRET}, fifteen_letters"
    done = clipmart("listen")
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "KLIPIT_WEBHOOK_SECRET" in done.err and "16 characters" in done.err
    assert "fifteen_letters" not in done.err and not clipmart.data_dir.exists()


def test_a_port_in_use_is_one_line(clipmart: Clipmart) -> None:
    clipmart.environ["KLIPIT_WEBHOOK_SECRET"] = SECRET
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = clipmart("listen", "--port", str(port))
    assert done.code == 3
    assert str(port) in done.err
    assert done.err.count("\n") == 1


def test_an_address_that_is_not_here_is_one_line(clipmart: Clipmart) -> None:
    clipmart.environ["KLIPIT_WEBHOOK_SECRET"] = SECRET
    done = clipmart("listen", "--host", "192.0.2.1")
    assert (done.code, done.err.count("\n")) == (3, 1)


def test_it_prints_its_address_and_its_state_is_private(listener: Listener) -> None:
    """One line; the folder and the ledger are their owner's alone."""
    assert listener.url.startswith("http://127.0.0.1:")
    assert stat.S_IMODE(listener.ledger.stat().st_mode) == 0o600
    assert stat.S_IMODE(listener.ledger.parent.stat().st_mode) == 0o700


def test_a_commit_is_synchronised(listener: Listener) -> None:
    """WAL with full synchronisation: an event that was answered for survives a power cut."""
    from pipelines.ledger.ledger import Ledger

    ledger = Ledger(listener.ledger)
    pragmas = [
        ledger.store.execute(f"PRAGMA {name}").fetchone()
        for name in ("journal_mode", "synchronous")
    ]
    ledger.close()
    assert pragmas == [("wal",), (2,)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_what_is_in_flight(listener: Listener, number: Any) -> None:
    """Exit 0 within 10 s; half a request is awaited, idle and hostile connections are not."""
    body = event("job_slow")
    whole = request(body)
    with listener.connect() as slow, listener.connect() as idle, listener.connect() as stuck:
        slow.sendall(whole[:-5])
        idle.sendall(request(event("job_idle")))
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        stuck.sendall(b"POST /webhooks/klipit HTTP/1.1\r\nhost: x")
        time.sleep(0.2)
        began = time.monotonic()
        listener.process.send_signal(number)
        time.sleep(0.5)
        slow.sendall(whole[-5:])
        assert slow.recv(65536).startswith(b"HTTP/1.1 200")
        assert listener.process.wait(10) == 0
    assert time.monotonic() - began < 3
    assert ("webhook", "job_slow") in listener.saved()


def test_a_body_that_never_comes_does_not_hold_it_up(listener: Listener) -> None:
    """It is answered 408 after some seconds, and SIGTERM still ends the process in time."""
    with listener.connect() as trickle:
        trickle.sendall(request(event("job_1"))[:-5])
        time.sleep(0.2)
        listener.process.terminate()
        began = time.monotonic()
        assert trickle.recv(65536).startswith(b"HTTP/1.1 408")
        assert listener.process.wait(10) == 0
    assert time.monotonic() - began < 10
    assert listener.saved() == []


def test_a_connection_that_ends_early_leaves_nothing(listener: Listener) -> None:
    with listener.connect() as rude:
        rude.sendall(request(event("job_1"))[:-5])
    assert listener.klipit(event("job_2")) == 200
    assert listener.saved() == [("webhook", "job_2")]


def test_the_log_contains_neither_tokens_nor_bodies(start: Start, tmp_path: Path) -> None:
    """Instant, method, path and status of each request."""
    log = tmp_path / "log"
    with log.open("w") as stderr:
        listener = start({"stderr": stderr}, CLIPUS_WEBHOOK_TOKEN="CANARY-token")
        listener.clipus({"note": "CANARY-body"}, "?token=CANARY-token")
        listener.clipus({"note": "CANARY-body"}, "?token=CANARY-other")
        listener.klipit(event("CANARY-job"), "CANARY-signature")
        listener.klipit(event("CANARY-job"))
        listener.post("/CANARY-path%0aforged", b"")
        listener.process.terminate()
        listener.process.wait(10)
    lines = log.read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "POST /webhooks/clipus 200",
        "POST /webhooks/clipus 401",
        "POST /webhooks/klipit 401",
        "POST /webhooks/klipit 200",
        "POST (another path) 404",
    ]


def test_a_log_that_nobody_reads_does_not_stop_it(start: Start) -> None:
    """A full pipe loses lines of the log, not events."""
    listener = start({"stderr": subprocess.PIPE})
    assert listener.process.stderr is not None
    fcntl.fcntl(listener.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
    for _ in range(200):  # more than that pipe holds
        assert listener.client.get("/healthz").status_code == 200
    assert listener.klipit(event("job_1")) == 200


def test_healthz_reports_no_secrets(start: Start) -> None:
    listener = start(CLIPUS_WEBHOOK_TOKEN="CANARY")
    answer = listener.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert not any(secret in str(answer.headers) for secret in ("CANARY", SECRET))


def test_a_locked_ledger_is_503_and_the_event_can_come_again(listener: Listener) -> None:
    """Not answered 2xx, not lost silently; healthz says so too."""
    con = sqlite3.connect(listener.ledger, isolation_level=None)
    con.execute("BEGIN IMMEDIATE")
    assert listener.klipit(event("job_1")) == 503
    assert listener.client.get("/healthz").status_code == 503
    con.execute("ROLLBACK")
    con.close()
    assert listener.klipit(event("job_1")) == 200
    assert listener.saved() == [("webhook", "job_1")]


def test_a_full_disk_is_503_until_there_is_room(listener: Listener) -> None:
    """A commit that fails takes nothing along, and the next one works."""
    assert listener.klipit(event("job_0")) == 200
    pid, unlimited = listener.process.pid, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    largest = max(path.stat().st_size for path in listener.ledger.parent.iterdir())
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest + 1000, resource.RLIM_INFINITY))
    statuses = [listener.klipit(event(f"job_full_{n}", error="x" * 9000)) for n in range(3)]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    assert statuses == [503] * 3
    assert listener.klipit(event("job_1")) == 200
    assert listener.saved() == [("webhook", "job_0"), ("webhook", "job_1")]


@pytest.mark.parametrize("replacement", ["removed", "damaged and replaced"])
def test_a_ledger_that_was_replaced_is_followed(listener: Listener, replacement: str) -> None:
    """An event is never acknowledged from a file that is no longer the ledger."""
    assert listener.klipit(event("job_0")) == 200
    for path in listener.ledger.parent.glob("ledger.sqlite*"):
        if replacement != "removed":
            path.write_bytes(b"rubbish" * 1000)
        path.unlink()
    assert listener.klipit(event("job_1")) == 200
    assert listener.saved() == [("webhook", "job_1")]


def test_received_at_follows_the_given_instant(start: Start) -> None:
    """An event that claims to be of a later instant counts as received now."""
    listener = start(CLIPMART_NOW="2026-04-08T12:00:00Z")
    assert listener.klipit(event("job_1", timestamp="2036-01-01T00:00:00Z")) == 200
    ((recorded_at, fields),) = listener.saved("recorded_at, body")
    assert recorded_at == json.loads(fields)["event_at"] == "2026-04-08T12:00:00+00:00"


def test_the_secret_is_read_from_dotenv(start: Start, tmp_path: Path) -> None:
    """As every setting: the environment, then .env in the working folder."""
    Path(tmp_path / ".env").write_text("CLIPUS_WEBHOOK_TOKEN=from-dotenv\n")
    listener = start()
    assert listener.clipus({}, "?token=from-dotenv") == 200
    assert listener.clipus({}) == 401
