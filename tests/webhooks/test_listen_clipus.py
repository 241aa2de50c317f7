"""Clipus's unsigned calls: a hint to poll a campaign that is known, and nothing else."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import pytest

from pipelines.ledger.ledger import Event, Ledger
from sources.shared.values import instant
from tests.support.clipmart import Clipmart
from tests.support.listen_client import Listener, Start, event, sign

TOKEN = "tok+en/é"
QUERY = "?token=tok%2Ben%2F%C3%A9"
CAMPAIGN = "0b7a1c52-9d0e-4b53-8d0f-2d6f3f0c1f6e"


def know(listener: Listener, *ids: Any) -> None:
    ledger = Ledger(listener.ledger)
    now = instant("2026-04-08T12:00:00Z")
    ledger.add([Event("clipus", "import", id_, id_, now, {"campaign_id": id_}) for id_ in ids])
    ledger.close()


def due(listener: Listener) -> Any:
    return [row for row in listener.saved() if row[0] == "due"]


def test_the_token_must_fit_where_one_is_set(start: Start) -> None:
    """Anything else is 401, and nothing becomes due."""
    listener = start(CLIPUS_WEBHOOK_TOKEN=TOKEN)
    know(listener, CAMPAIGN)
    wrong = [
        *("", "?token=", "?token=wrong", "?Token=tok%2Ben%2F%C3%A9", "?token=tok+en/%C3%A9"),
        *(f"{QUERY}&token=wrong", f"{QUERY}&{QUERY[1:]}", "?token=%ff", "?%00", "?token"),
    ]
    answers = {query: listener.clipus({"campaign_id": CAMPAIGN}, query) for query in wrong}
    assert answers == dict.fromkeys(wrong, 401)
    assert due(listener) == []


def test_a_token_alone_is_enough_to_start(start: Start) -> None:
    """Without a secret no Klipit event is taken, not even one signed with the empty secret."""
    listener = start(CLIPUS_WEBHOOK_TOKEN=TOKEN, KLIPIT_WEBHOOK_SECRET=" , ")
    know(listener, CAMPAIGN)
    assert listener.klipit(event("job_1"), sign(event("job_1"), "")) == 401
    assert listener.clipus({"campaign_id": CAMPAIGN}, QUERY) == 200
    assert due(listener) == [("due", CAMPAIGN)]


@pytest.mark.parametrize(
    "body",
    [
        {"campaign_id": CAMPAIGN, "status": "completed"},
        {"data": {"campaign": {"id": CAMPAIGN}}},
        {"events": [{"id": 7}, [CAMPAIGN]]},
    ],
)
def test_a_known_campaign_becomes_due_at_any_place_in_the_body(
    listener: Listener, body: dict[str, Any]
) -> None:
    """The payload is undocumented; nothing of it is stored but the id that was known before."""
    know(listener, CAMPAIGN, "c-2")
    assert listener.clipus({**body, "note": "CANARY"}) == 200
    ((service, subject, body),) = [
        row[1:] for row in listener.saved("kind, service, subject, body") if row[0] == "due"
    ]
    assert (service, subject, body) == ("clipus", CAMPAIGN, "{}")
    for path in listener.ledger.parent.iterdir():
        assert b"CANARY" not in path.read_bytes()


def test_an_unknown_campaign_gets_the_same_answer_and_is_not_saved(listener: Listener) -> None:
    """Whoever calls cannot learn which campaigns are known."""
    know(listener, CAMPAIGN)
    known = listener.post("/webhooks/clipus", f'{{"id": "{CAMPAIGN}"}}'.encode())
    unknown = listener.post("/webhooks/clipus", b'{"id": "c-unknown"}')
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert listener.saved() == [("import", CAMPAIGN), ("due", CAMPAIGN)]


def test_a_campaign_becomes_due_once_a_minute(start: Start) -> None:
    """By the machine's clock, not by CLIPMART_NOW, and also across a restart."""
    listener = start(CLIPMART_NOW="2026-04-08T12:00:00Z")
    know(listener, CAMPAIGN, "c-2")
    for _ in range(3):
        assert listener.clipus({"id": CAMPAIGN, "other": "c-2"}) == 200
    listener.process.terminate()
    listener.process.wait(10)
    listener = start(CLIPMART_NOW="2026-04-08T12:00:00Z")
    assert listener.clipus({"id": CAMPAIGN}) == 200
    assert sorted(due(listener)) == [("due", CAMPAIGN), ("due", "c-2")]

    # As if 61 s had passed.
    minute_ago = time.time_ns() // 1000 - 61_000_000
    con = sqlite3.connect(listener.ledger)
    con.execute("UPDATE events SET seq = ? WHERE kind = 'import' AND subject = ?", (1, CAMPAIGN))
    con.execute("UPDATE events SET seq = ? WHERE kind = 'import' AND subject = 'c-2'", (2,))
    con.execute(
        "UPDATE events SET seq = ? WHERE kind = 'due' AND subject = ?", (minute_ago, CAMPAIGN)
    )
    con.commit()
    con.close()
    listener.process.terminate()
    listener.process.wait(10)
    listener = start()
    assert listener.clipus({"id": CAMPAIGN}) == 200
    assert listener.clipus({"id": CAMPAIGN}) == 200
    assert len([row for row in due(listener) if row[1] == CAMPAIGN]) == 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"7", b"\xff", b"[" * 60_000, b"a=b"])
def test_a_malformed_call_is_refused(shared_listener: Listener, body: bytes) -> None:
    assert shared_listener.post("/webhooks/clipus", body).status_code == 400


def test_a_long_call_is_refused(shared_listener: Listener) -> None:
    assert shared_listener.post("/webhooks/clipus", b" " * 65_537).status_code == 413


def test_a_campaign_that_only_the_published_file_knows_becomes_due(
    listener: Listener, clipmart: Clipmart
) -> None:
    """A ledger that was lost and begun again knows no campaign; the published file does."""
    import duckdb

    assert listener.clipus({"id": CAMPAIGN}) == 200
    with duckdb.connect(str(clipmart.warehouse)) as con:
        con.execute("CREATE SCHEMA clipus; CREATE TABLE clipus.submissions (campaign_id VARCHAR)")
        con.execute("INSERT INTO clipus.submissions VALUES (?), (NULL)", [CAMPAIGN])
    assert listener.clipus({"id": CAMPAIGN}) == 200
    assert listener.saved() == [("due", CAMPAIGN)]


def test_a_campaign_that_was_untracked_becomes_due_no_more(
    listener: Listener, clipmart: Clipmart
) -> None:
    """Until it is tracked again."""
    clipmart("track", "clipus", CAMPAIGN)
    clipmart("untrack", "clipus", CAMPAIGN)
    assert listener.clipus({"id": CAMPAIGN}) == 200
    assert [row for row in listener.saved() if row[0] == "due"] == []
    clipmart("track", "clipus", CAMPAIGN)
    assert listener.clipus({"id": CAMPAIGN}) == 200
    assert [row for row in listener.saved() if row[0] == "due"] == [("due", CAMPAIGN)]
