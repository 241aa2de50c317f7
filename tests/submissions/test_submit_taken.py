"""An accepted submission: what is sent, what is printed, what is recorded."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.support.clipmart import NOW, Clipmart
from tests.support.ledger_view import everything_on_disk, only

EPISODE = "https://good.example/watch?v=1"


def test_an_episode_is_sent_with_its_metadata_and_its_id_is_printed(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """stdout has the id alone; the vendor got the fields; the next sync lands them."""
    clipmart = landing_only
    done = clipmart(
        *("submit", "klipit", "--source-url", EPISODE, "--show", "Über Gründer"),
        *("--guest", "Zoë", "--description", "d", "--platform", "tiktok", "--platform", "reels"),
    )
    assert done.code == 0, done.err
    job_id = done.out.strip()
    assert sandbox.jobs[job_id].submission == {
        "source_url": EPISODE,
        "show_name": "Über Gründer",
        "guest_name": "Zoë",
        "description": "d",
        "platforms": ["tiktok", "reels"],
    }
    assert "clipmart sync" in done.err
    assert clipmart("sync").code == 0
    assert clipmart.rows(
        """SELECT origin, state, job_id, source_url, show_name, platforms::VARCHAR, error,
                  submitted_at = recorded_at, strftime(submitted_at, '%Y-%m-%dT%H:%M:%SZ')
           FROM klipit.submissions"""
    ) == [
        (
            *("submit", "known", job_id, EPISODE, "Über Gründer"),
            *('["tiktok", "reels"]', None, True, NOW),
        )
    ]


def test_a_page_is_sent_and_json_is_one_object(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """Languages and title reach Clipus; its own job's id is recorded with the campaign's."""
    done = clipmart(
        *("submit", "clipus", "--url", "https://good.example/", "--title", "T"),
        *("--language", "en", "--language", "ja", "--json"),
    )
    assert done.code == 0, done.err
    document = done.json()
    campaign = sandbox.campaigns[document["campaign_id"]]
    assert campaign.submission["languages"] == ["en", "ja"]
    assert (document["service"], document["state"], document["error"]) == ("clipus", "known", None)
    row = only(clipmart, "clipus")
    assert (row["submission_id"], row["campaign_id"]) == (
        document["submission_id"],
        document["campaign_id"],
    )
    assert row["job_id"]


def test_the_intent_is_on_disk_before_the_request_arrives(
    sandbox: Sandbox, clipmart: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the request arrives, another connection already reads its intent."""
    at_arrival: list[Any] = []
    log = sandbox.log

    def look_then_log(*arguments: Any) -> Any:
        with sqlite3.connect(clipmart.data_dir / "state/ledger.sqlite") as db:
            at_arrival.append(db.execute("SELECT kind, body FROM events").fetchall())
        db.close()
        return log(*arguments)

    monkeypatch.setattr(sandbox, "log", look_then_log)
    assert clipmart("submit", "klipit", "--source-url", EPISODE).code == 0
    ((kind, body),) = at_arrival[0]
    assert kind == "intent"
    assert json.loads(body)["source_url"] == EPISODE


def test_a_file_is_streamed_from_disk(sandbox: Sandbox, clipmart: Clipmart, tmp_path: Path) -> None:
    """50 MB pass through a few; the file's name is recorded, its folder is not."""
    file = tmp_path / "private-folder" / "épisode 1.mp3"
    file.parent.mkdir()
    with file.open("wb") as handle:
        handle.truncate(50 << 20)
    clipmart("status")  # imports are no part of the measure
    tracemalloc.start()
    done = clipmart("submit", "klipit", "--file", str(file), "--show", "S", "--platform", "tiktok")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert done.code == 0, done.err
    sent = sandbox.jobs[done.out.strip()].submission
    assert (sent["file"], sent["file_bytes"]) == ("épisode 1.mp3", 50 << 20)
    assert (sent["show_name"], sent["platforms"]) == ("S", ["tiktok"])
    assert only(clipmart, "klipit")["file_name"] == "épisode 1.mp3"
    assert b"private-folder" not in everything_on_disk(clipmart)
    assert peak_bytes < 25 << 20


@pytest.mark.parametrize(
    ("given", "sent", "recorded"),
    [
        ("https://me.example/h", "https://me.example/h?token=t%2Fk", "https://me.example/h"),
        (
            "https://me.example/h?a=1&token=old",
            "https://me.example/h?a=1&token=t%2Fk",
            "https://me.example/h?a=1",
        ),
    ],
)
def test_the_webhook_carries_the_token_and_the_record_does_not(
    sandbox: Sandbox, clipmart: Clipmart, given: str, sent: str, recorded: str
) -> None:
    """The token goes to Clipus, and into none of our files or output."""
    clipmart.environ["CLIPUS_WEBHOOK_TOKEN"] = "t/k"
    done = clipmart(
        "submit", "clipus", "--url", "https://good.example/", "--webhook-url", given, "--json"
    )
    assert sandbox.campaigns[done.json()["campaign_id"]].submission["webhook_url"] == sent
    assert only(clipmart, "clipus")["webhook_url"] == recorded
    for secret in (b"t/k", b"t%2Fk", b"token="):
        assert secret not in everything_on_disk(clipmart) + (done.out + done.err).encode()


def test_without_a_token_a_webhook_is_sent_as_given(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """A token in the URL itself is sent, but left out of the record."""
    url = "https://me.example/h?token=mine&a=1"
    done = clipmart(
        "submit", "clipus", "--url", "https://good.example/", "--webhook-url", url, "--json"
    )
    assert sandbox.campaigns[done.json()["campaign_id"]].submission["webhook_url"] == url
    assert only(clipmart, "clipus")["webhook_url"] == "https://me.example/h?a=1"


SIGNED = "X-Amz-Signature=canary1&X-Amz-Credential=canary2&api_key=canary3&sig=canary4"


@pytest.mark.parametrize(
    "arguments",
    [
        ("klipit", "--source-url", f"https://a.example/1.mp3?v=1&{SIGNED}"),
        ("clipus", "--url", f"https://a.example/?v=1&{SIGNED}"),
        (
            *("clipus", "--url", "https://a.example/?v=1"),
            "--webhook-url",
            f"https://b.example/?{SIGNED}",
        ),
    ],
)
def test_signatures_in_an_address_are_sent_and_not_recorded(
    sandbox: Sandbox, clipmart: Clipmart, arguments: tuple[str, ...]
) -> None:
    """The vendor needs them; the record and the output do without, and a repetition is known."""
    done = clipmart("submit", *arguments)
    assert done.code == 0, done.err
    (record,) = [*sandbox.jobs.values(), *sandbox.campaigns.values()]
    assert str(record.submission).count("canary") == 4
    repeated = clipmart("submit", *(each.replace("canary", "renewed") for each in arguments))
    assert repeated.code == 2 and "submitted already" in repeated.err
    assert b"canary" not in everything_on_disk(clipmart) + (done.out + done.err).encode()
    row = only(clipmart, arguments[0])
    assert (row.get("source_url") or row["url"]).endswith("?v=1")


@pytest.mark.parametrize(
    "webhook_url",
    [
        "http://hooks.example.com/webhooks/clipus",
        "https://localhost/h",
        "https://clipmart/h",
        "https://nas.local/h",
        "https://127.0.0.1:8787/h",
        "https://127.1/h",
        "https://10.1.2.3/h",
        "https://100.64.0.1/h",
        "https://[fe80::1]/h",
    ],
)
def test_a_webhook_that_clipus_cannot_call_is_refused_before_sending(
    clipmart: Clipmart, webhook_url: str
) -> None:
    """Clipus calls public https addresses alone (clipus.io/developers); nothing is recorded."""
    clipmart.environ["CLIPUS_BASE_URL"] = "https://clipus.invalid"
    done = clipmart(
        *("submit", "clipus", "--url", "https://good.example/", "--webhook-url", webhook_url)
    )
    assert done.code == 2
    assert "public https" in done.err
    assert not clipmart.data_dir.exists()


def test_a_webhook_may_be_local_where_the_api_is(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """The sandbox calls this machine."""
    url = "http://127.0.0.1:8787/webhooks/clipus"
    done = clipmart(
        *("submit", "clipus", "--url", "https://good.example/", "--webhook-url", url, "--json")
    )
    assert sandbox.campaigns[done.json()["campaign_id"]].submission["webhook_url"] == url


@pytest.mark.parametrize(
    "arguments",
    [
        ("klipit",),
        ("klipit", "--source-url", "https://a.example/", "--file", "x"),
        ("klipit", "--source-url", "ftp://a.example/"),
        ("klipit", "--source-url", "https://a.example/with space"),
        ("klipit", "--source-url", "https://a.example/", "--show", "half a \udce9 letter"),
        ("klipit", "--file", "absent.mp3"),
        ("klipit", "--file", "."),
        ("clipus",),
        ("clipus", "--url", "good.example"),
        ("clipus", "--url", "https://[broken/"),
        ("clipus", "--url", "https://a.example/", "--webhook-url", "not-a-url"),
        ("klipit", "--source-url", "https://me:canary@a.example/1.mp3"),
        ("clipus", "--url", "https://me@a.example/"),
        ("clipus", "--url", "https://a.example/", "--webhook-url", "https://me:pw@a.example/"),
    ],
)
def test_what_cannot_be_sent_is_a_usage_error(
    sandbox: Sandbox, clipmart: Clipmart, arguments: tuple[str, ...]
) -> None:
    """Exit 2, nothing sent, nothing recorded."""
    assert clipmart("submit", *arguments).code == 2
    assert sandbox.asked() == 0
    assert not (clipmart.data_dir / "state/ledger.sqlite").exists()


@pytest.mark.parametrize("service", ["klipit", "clipus"])
def test_without_a_key_nothing_is_sent(sandbox: Sandbox, clipmart: Clipmart, service: str) -> None:
    """Exit 3, naming the variable."""
    del clipmart.environ[f"{service.upper()}_API_KEY"]
    option = "--source-url" if service == "klipit" else "--url"
    done = clipmart("submit", service, option, EPISODE)
    assert done.code == 3
    assert f"{service.upper()}_API_KEY" in done.err
    assert sandbox.asked() == 0


def test_while_clipus_reads_the_page_it_is_said_how_long_that_may_take(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """After two seconds of silence, on stderr."""
    sandbox.campaign_open_seconds = 2.5
    done = clipmart("submit", "clipus", "--url", "https://good.example/")
    assert done.code == 0
    assert "may take up to 300 s" in done.err
    assert done.out.strip() in sandbox.campaigns
