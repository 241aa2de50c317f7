"""`sync --notify`: what is posted, when, and what never is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest

from pipelines.ledger.lock import sync_lock
from sandbox import Fault, Sandbox
from sources.shared.values import instant
from tests.support.clipmart import NOW, Clipmart
from tests.support.notification_receiver import Receiver


def test_a_failure_is_posted_once_and_its_end_once(
    landing_only: Clipmart, receiver: Receiver
) -> None:
    """A refused key, twice, then the right one, twice: two messages."""
    landing_only.environ["KLIPIT_API_KEY"] = "klipit_sk_wrong"
    assert landing_only("sync", "--notify", receiver.url).code == 3
    (post,) = receiver.take()
    assert post["level"] == "fail"
    assert post["problems"] == ["klipit sync"]
    assert post["text"].startswith(post["title"])
    assert "1 problem" in post["title"] and "KLIPIT_API_KEY" in post["text"]

    assert landing_only("sync", "--notify", receiver.url).code == 3
    assert receiver.take() == []

    landing_only.environ["KLIPIT_API_KEY"] = "klipit_sk_sandbox"
    assert landing_only("sync", "--notify", receiver.url).code == 0
    (post,) = receiver.take()
    assert (post["level"], post["problems"], post["resolved"]) == ("ok", [], ["klipit sync"])
    assert "resolved: klipit sync" in post["text"]

    assert landing_only("sync", "--notify", receiver.url).code == 0
    assert receiver.take() == []


def test_without_a_key_at_all_it_is_posted_too(clipmart: Clipmart, receiver: Receiver) -> None:
    """A sync that cannot even begin fails in a message of its own."""
    for name in ("KLIPIT_API_KEY", "CLIPUS_API_KEY"):
        del clipmart.environ[name]
    for _ in range(2):
        assert clipmart("sync", "--notify", receiver.url).code == 3
    (post,) = receiver.take()
    assert post["problems"] == ["sync"] and "No key is set" in post["text"]


def test_each_address_is_notified_separately(clipmart: Clipmart, receiver: Receiver) -> None:
    clipmart.environ["CLIPUS_API_KEY"] = clipmart.environ["KLIPIT_API_KEY"] = ""
    for address in (receiver.url, f"{receiver.url}&other"):
        clipmart("sync", "--notify", address)
        assert len(receiver.take()) == 1


def test_another_sync_a_dry_run_and_a_passing_fault_are_not_posted(
    sandbox: Sandbox,
    landing_only: Clipmart,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    with sync_lock(landing_only.data_dir / "state/lock", instant(NOW)):
        assert landing_only("sync", "--notify", receiver.url).code == 75
    assert landing_only("sync", "--dry-run", "--notify", receiver.url).code == 0
    landing_only("track", "klipit", "job_1", "job_2", "job_3")
    sandbox.faults.plan([Fault("error", "/jobs/*", times=None)])
    assert landing_only("sync", "--notify", receiver.url).code == 75
    assert receiver.requests == []


@pytest.mark.soak
def test_an_api_that_stays_down_is_posted_once_its_data_is_old(
    sandbox: Sandbox, troubled: Clipmart, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Posted when it warns and again when it fails; resolved by a sync that works."""
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    # More than one is due at any time, so that the API counts as down.
    troubled("track", "klipit", "job_5", "job_6", "job_7")
    sandbox.faults.plan([Fault("error", "/jobs/*", times=None)])
    for now, expected in (
        ("2026-04-08T14:00:00Z", []),
        ("2026-04-08T15:01:00Z", ["klipit synced"]),
        ("2026-04-08T16:00:00Z", []),
        ("2026-04-09T15:00:00Z", ["klipit synced"]),
    ):
        troubled.at(now)
        assert troubled("sync", "--notify", receiver.url).code == 75
        posted = [name for post in receiver.take() for name in post["problems"]]
        assert [name for name in posted if name == "klipit synced"] == expected, now

    sandbox.faults.clear()
    troubled("sync", "--notify", receiver.url)
    (post,) = receiver.take()
    assert "klipit synced" in post["resolved"]


def test_thresholds_are_posted_once_a_change(
    sandbox: Sandbox, troubled: Clipmart, receiver: Receiver
) -> None:
    """Credits for 2 days, a job and a campaign stuck, an odd score: all in one message."""
    assert troubled("sync", "--notify", receiver.url).code == 0
    (post,) = receiver.take()
    assert post["problems"] == ["credits", "stuck jobs", "stuck campaigns", "odd values"]
    for words in ("2.0 days", "job_stuck", "c-stuck", "score outside 0 to 100"):
        assert words in post["text"]
    assert post["level"] == "warn"
    troubled("sync", "--notify", receiver.url)
    assert receiver.take() == []


def test_a_full_disk_and_a_receiver_that_died_are_posted_until_they_are_well(
    landing_only: Clipmart, receiver: Receiver
) -> None:
    """As `status --check` judges them: once, and once when it is over."""
    dead = landing_only.data_dir / "state/receiver"
    dead.write_text('{"pid": 1, "since": "", "host": "127.0.0.1", "port": 8787}')
    landing_only.environ["CLIPMART_FREE_MIB"] = f"{1 << 40},{1 << 39}"
    for _ in range(2):
        landing_only("sync", "--notify", receiver.url)
    (post,) = receiver.take()
    assert (post["level"], post["problems"]) == ("fail", ["disk", "receiver"])
    assert landing_only("status", "--check").code == 1
    dead.unlink()
    del landing_only.environ["CLIPMART_FREE_MIB"]
    landing_only("sync", "--notify", receiver.url)
    (post,) = receiver.take()
    assert sorted(post["resolved"]) == ["disk", "receiver"]


@pytest.mark.parametrize(("days", "posted"), [("2", False), ("2.1", True)])
def test_notify_days_says_how_long_credits_should_last(
    troubled: Clipmart, receiver: Receiver, days: str, posted: bool
) -> None:
    troubled("sync", "--notify", receiver.url, "--notify-days", days)
    (post,) = receiver.take()
    assert ("credits" in post["problems"]) is posted


def test_another_stuck_job_is_posted(troubled: Clipmart, receiver: Receiver) -> None:
    """A job that is known to be stuck is not posted again; a name mentions nobody in Slack."""
    for now, expected in (("12:00", True), ("12:30", False), ("13:00", True), ("13:30", False)):
        troubled.at(f"2026-04-08T{now}:00Z")
        troubled("sync", "--notify", receiver.url)
        posts = receiver.take()
        assert [("stuck jobs" in post["problems"]) for post in posts] == [True] * expected, now
        assert all("<" not in post["text"] for post in posts)
    troubled("sync", "--notify", f"{receiver.url}&other")
    (post,) = receiver.take()
    assert "job_stuck" in post["text"] and "!channel" in post["text"]


@pytest.mark.parametrize("fault", ["error", "redirect", "closed", "silent"])
def test_what_cannot_be_posted_is_one_line_and_tried_again(
    landing_only: Clipmart, receiver: Receiver, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync's exit code stays, only the host is named, no redirect is followed."""
    monkeypatch.setattr("pipelines.health.notify.POST_SECONDS", 0.5)
    landing_only.environ["KLIPIT_API_KEY"] = "klipit_sk_wrong"
    url = receiver.url
    with unhelpful(receiver, fault) as other:
        done = landing_only("sync", "--notify", other or url)
    assert done.code == 3
    (line,) = [line for line in done.err.splitlines() if "notification" in line]
    assert "127.0.0.1" in line and "s3cret" not in done.err + done.out
    assert len(receiver.requests) == (1 if fault in ("error", "redirect") else 0)

    receiver.take()
    assert landing_only("sync", "--notify", url).code == 3
    assert len(receiver.take()) == 1


@contextmanager
def unhelpful(receiver: Receiver, fault: str) -> Iterator[str | None]:
    """Break the receiver; yields another address if the fault needs one."""
    if fault in ("error", "redirect"):
        receiver.status = 500 if fault == "error" else 307
        receiver.headers = {"location": receiver.url, "content-length": "0"}
        yield None
        receiver.status, receiver.headers = 200, {}
        return
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/s3cret"
        if fault == "closed":
            server.close()
        yield address


def test_keys_are_never_posted(landing_only: Clipmart, receiver: Receiver) -> None:
    """Neither as a header nor in the text, of a failure that names the key's variable."""
    landing_only.environ |= {
        "KLIPIT_API_KEY": "klipit_sk_canary",
        "KLIPIT_WEBHOOK_SECRET": "whsec_canary",
    }
    landing_only("sync", "--notify", receiver.url)
    (request,) = receiver.requests
    assert "canary" not in request and "sandbox" not in request
    assert "authorization" not in request.lower()
    assert unquote(request).startswith("/services/T0/s3cret?m={{.text}}\n"), "templates stay"


@pytest.mark.parametrize(
    "url", ["s3cret", "ftp://h/s3cret", "https:///s3cret", "http://h:x/s3cret"]
)
def test_an_address_that_cannot_be_posted_to_is_refused_before_anything_is_requested(
    sandbox: Sandbox, clipmart: Clipmart, url: str, tmp_path: Path
) -> None:
    done = clipmart("sync", "--notify", url)
    assert done.code == 2
    assert "--notify" in done.err and "s3cret" not in done.err
    assert sandbox.requests == [] and list(tmp_path.iterdir()) == []


def test_if_nothing_can_be_recorded_every_sync_posts(
    clipmart: Clipmart, receiver: Receiver
) -> None:
    """A data folder that cannot be used: better twice than never."""
    clipmart.data_dir.write_text("in its place")
    for _ in range(2):
        assert clipmart("sync", "--notify", receiver.url).code == 3
    clipmart.environ["KLIPIT_BASE_URL"] = "no address"
    assert clipmart("sync", "--notify", receiver.url).code == 3
    assert [post["problems"] for post in receiver.posts] == [["sync"]] * 3


def test_the_address_can_be_a_variable_which_no_process_list_shows(
    clipmart: Clipmart, receiver: Receiver
) -> None:
    """From the environment or .env, also if another setting is wrong; --notify comes first."""
    clipmart.environ["KLIPIT_BASE_URL"] = "no address"
    (clipmart.folder / ".env").write_text(f"CLIPMART_NOTIFY={receiver.url}")
    assert clipmart("sync").code == 3
    assert len(receiver.take()) == 1
    clipmart.environ["CLIPMART_NOTIFY"] = "s3cret"
    done = clipmart("sync")
    assert done.code == 3 and "CLIPMART_NOTIFY" in done.err and "s3cret" not in done.err
    assert clipmart("sync", "--notify", receiver.url).code == 3
    assert len(receiver.take()) == 1


def test_a_text_of_ones_own_is_posted(clipmart: Clipmart, receiver: Receiver) -> None:
    """Also if another setting is wrong; without secrets and mentions, and without a data folder."""
    clipmart.environ |= {"KLIPIT_API_KEY": "klipit_sk_canary", "CLIPMART_NOTIFY": receiver.url}
    done = clipmart("notify", "clipmart-sync failed <!channel> klipit_sk_canary")
    assert (done.code, done.out, done.err) == (0, "", "")
    clipmart.environ["CLIPMART_NOW"] = "no instant"
    assert clipmart("notify", "again").code == 0
    first, second = receiver.take()
    assert first["text"].startswith(f"clipmart on {socket.gethostname()}: clipmart-sync failed")
    assert "canary" not in first["text"] and "<" not in first["text"]
    assert second["text"].endswith(": again")
    assert list(clipmart.folder.iterdir()) == []


def test_a_text_that_cannot_be_posted_is_3_or_75(clipmart: Clipmart, receiver: Receiver) -> None:
    refused = clipmart("notify", "text")
    assert refused.code == 3 and "CLIPMART_NOTIFY is not set" in refused.err
    clipmart.environ["CLIPMART_NOTIFY"] = receiver.url
    receiver.status = 500
    failed = clipmart("notify", "text")
    assert failed.code == 75 and "answered 500" in failed.err and "s3cret" not in failed.err
