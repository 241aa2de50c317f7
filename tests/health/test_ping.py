"""`sync --ping`: what a dead man's switch is sent, and that it changes nothing."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from pipelines.ledger.lock import sync_lock
from sandbox import Fault, Sandbox
from sources.shared.values import instant
from tests.support.clipmart import NOW, Clipmart
from tests.support.notification_receiver import Receiver

PATH = "/ping/s3cret"


@pytest.fixture
def ping_url(receiver: Receiver) -> str:
    return receiver.url.partition("/services")[0] + PATH


def test_start_and_success_are_sent_with_the_last_lines(
    sandbox: Sandbox, landing_only: Clipmart, receiver: Receiver, ping_url: str
) -> None:
    sandbox.add_job("job_1", clips=2)
    landing_only("track", "klipit", "job_1")

    done = landing_only("sync", "--ping", ping_url)

    assert done.code == 0
    start, end = receiver.take_pings()
    assert start == (f"{PATH}/start", "")
    assert end == (PATH, done.out.strip())
    assert "2 new clips" in end[1]


def test_a_failure_is_sent_with_its_exit_code_and_message(
    landing_only: Clipmart, receiver: Receiver, ping_url: str
) -> None:
    """1 for a rejected id, 2 for an unknown one, 3 for a refused key and for no usable setting."""
    landing_only("track", "klipit", "job_gone")
    assert landing_only("sync", "--ping", ping_url).code == 1
    assert landing_only("sync", "--refresh", "job_new", "--ping", ping_url).code == 2
    landing_only.environ["KLIPIT_API_KEY"] = "klipit_sk_canary"
    assert landing_only("sync", "--refresh", "job_gone", "--ping", ping_url).code == 3
    landing_only.environ["KLIPIT_BASE_URL"] = "no address"
    assert landing_only("sync", "--ping", ping_url).code == 3

    pings = receiver.take_pings()

    paths = [path.removeprefix(PATH) for path, _ in pings]
    assert paths == ["/start", "/1", "/start", "/2", "/start", "/3", "/start", "/3"]
    bodies = [body for _, body in pings[1::2]]
    expected = ("rejected", "job_new", "KLIPIT_API_KEY", "KLIPIT_BASE_URL")
    assert [words in body for words, body in zip(expected, bodies, strict=True)] == [True] * 4
    assert "canary" not in str(pings)


def test_75_is_neither_a_failure_nor_a_success(
    sandbox: Sandbox,
    landing_only: Clipmart,
    receiver: Receiver,
    ping_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another sync and an API that is down are logged; a dry run sends nothing."""
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    with sync_lock(landing_only.data_dir / "state/lock", instant(NOW)):
        assert landing_only("sync", "--ping", ping_url).code == 75
    landing_only("track", "klipit", "job_1", "job_2", "job_3")
    sandbox.faults.plan([Fault("error", "/jobs/*", times=None)])
    assert landing_only("sync", "--ping", ping_url).code == 75

    pings = receiver.take_pings()

    assert [path.removeprefix(PATH) for path, _ in pings] == ["/start", "/log"] * 2
    assert "Another sync runs" in pings[1][1] and "klipit" in pings[3][1]
    assert landing_only("sync", "--dry-run", "--ping", ping_url).code == 0
    assert receiver.take_pings() == []


@pytest.mark.parametrize("fault", ["error", "closed", "silent"])
def test_a_ping_that_fails_is_one_line(
    landing_only: Clipmart,
    receiver: Receiver,
    ping_url: str,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sync's exit code stays, and only the host is named."""
    monkeypatch.setattr("pipelines.health.ping.PING_SECONDS", 0.3)
    receiver.status = 500
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        elsewhere = f"http://127.0.0.1:{server.getsockname()[1]}{PATH}"
        if fault == "closed":
            server.close()
        done = landing_only("sync", "--ping", ping_url if fault == "error" else elsewhere)
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if "ping" in line]
    assert "to 127.0.0.1" in line and "s3cret" not in done.err + done.out


def test_the_address_can_be_a_variable(
    clipmart: Clipmart, receiver: Receiver, ping_url: str
) -> None:
    """From `.env`, where no process list shows it; --ping comes first; a query stays a query."""
    for name in ("KLIPIT_API_KEY", "CLIPUS_API_KEY"):
        del clipmart.environ[name]
    (clipmart.folder / ".env").write_text(f"CLIPMART_PING={ping_url}?create=1")
    assert clipmart("sync").code == 3
    assert [path for path, _ in receiver.take_pings()] == [
        f"{PATH}/start?create=1",
        f"{PATH}/3?create=1",
    ]
    assert clipmart("sync", "--ping", f"{ping_url}/other").code == 3
    assert receiver.take_pings()[0][0] == f"{PATH}/other/start"
    clipmart.environ["CLIPMART_PING"] = "s3cret"
    refused = clipmart("sync")
    assert refused.code == 3 and "CLIPMART_PING" in refused.err and "s3cret" not in refused.err
