"""An unknown submission is matched with its campaign by url, with its job by time if one fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.ledger.ledger import Event, Ledger
from pipelines.submissions.reconcile import Unclaimed, Unknown, match_by_time, match_by_url
from sandbox import Fault, Sandbox
from tests.support.clipmart import Clipmart
from tests.support.ledger_view import only, submissions

AT = datetime(2026, 4, 8, 12, tzinfo=UTC)
URL = "https://good.example/"


def after(minutes: float) -> datetime:
    return AT + timedelta(minutes=minutes)


def test_a_campaign_is_joined_by_its_url_when_it_is_polled(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """One row: submitted by us, with our title, known by the tracked id.

    An older campaign of the same page and another intent's campaign keep their own rows.
    """
    clipmart = landing_only
    claimed = clipmart("submit", "clipus", "--url", URL).out.strip()
    sandbox.faults.plan([Fault("lost", method="POST")])
    assert clipmart("submit", "clipus", "--url", URL, "--title", "T", "--again").code == 75
    (lost,) = sandbox.campaigns.keys() - {claimed}
    sandbox.add_campaign("old", url=URL, created_at="2026-03-01T00:00:00Z")
    clipmart("track", "clipus", lost, "old")
    assert clipmart("sync", "clipus").code == 0

    expected = sorted(
        [
            (claimed, "submit", "known", None),
            (lost, "submit", "known", "T"),
            ("old", "import", "known", None),
        ]
    )
    rows = "SELECT campaign_id, origin, state, title FROM clipus.submissions ORDER BY campaign_id"
    assert clipmart.rows(rows) == expected
    assert len(submissions(clipmart, "clipus")) == 3
    requests = sandbox.asked()
    assert clipmart("sync", "clipus").code == 0
    assert clipmart.rows(rows) == expected
    assert sandbox.asked() == requests


def test_a_job_is_joined_by_its_event_and_marked_so(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Once ten minutes have passed, if one event and one submission are alone with each other."""
    clipmart = landing_only
    sandbox.faults.plan([Fault("lost", method="POST")])
    clipmart("submit", "klipit", "--source-url", "https://good.example/1", "--show", "S")
    (job_id,) = sandbox.jobs
    ledger = Ledger(clipmart.data_dir / "state/ledger.sqlite")
    body = {"event": "job.created", "job_id": job_id, "event_at": after(1).isoformat()}
    ledger.add([Event("klipit", "webhook", "e1", job_id, after(1), body)])
    ledger.close()
    clipmart.at("2026-04-08T12:05:00Z")
    clipmart("sync", "klipit")
    assert {row["state"] for row in submissions(clipmart, "klipit")} == {"unknown", "known"}

    clipmart.at("2026-04-08T12:11:00Z")
    clipmart("sync", "klipit")
    assert clipmart.rows(
        "SELECT job_id, origin, state, show_name, error LIKE '%matched by time%' "
        "FROM klipit.submissions"
    ) == [(job_id, "submit", "known", "S", True)]


@pytest.mark.parametrize(
    ("created_at", "tied"),
    [(None, True), (after(5), True), (after(-59), True), (after(-61), False), (after(61), False)],
)
def test_a_campaign_of_another_time_is_not_joined(created_at: datetime | None, tied: bool) -> None:
    """Within an hour; one without created_at fits by its url alone."""
    matches = match_by_url([Unknown("i", URL, AT)], [Unclaimed("c", URL.rstrip("/"), created_at)])
    assert matches == ([("i", "c")] if tied else [])


def test_each_campaign_joins_one_submission() -> None:
    """The nearest first; another page's never."""
    intents = [Unknown("i1", URL, AT), Unknown("i2", URL, after(10))]
    campaigns = [
        *(Unclaimed("c2", URL, after(11)), Unclaimed("c1", URL, after(1))),
        *(Unclaimed("c3", "https://other.example/", AT), Unclaimed("c4", None, AT)),
    ]
    assert match_by_url(intents, campaigns) == [("i1", "c1"), ("i2", "c2")]
    assert match_by_url(intents, campaigns[1:]) == [("i1", "c1")]


@pytest.mark.parametrize(
    ("intents", "jobs", "now", "ties"),
    [
        pytest.param([("i", 0)], [("j", 1)], 11, [("i", "j")], id="alone"),
        pytest.param([("i", 0)], [("j", 1)], 9, [], id="another may still come"),
        pytest.param([("i", 0)], [("j", 1), ("k", 9)], 11, [], id="two jobs"),
        pytest.param([("i", 0), ("h", 5)], [("j", 6)], 20, [], id="two submissions"),
        pytest.param([("i", 0)], [("j", 10.1)], 20, [], id="too late"),
        pytest.param([("i", 0)], [("j", -1.1)], 20, [], id="too early"),
        pytest.param([("i", 0)], [("j", -0.5)], 20, [("i", "j")], id="clocks differ a little"),
        pytest.param(
            [("i", 0), ("h", 30)],
            [("j", 1), ("k", 31)],
            60,
            [("i", "j"), ("h", "k")],
            id="two pairs",
        ),
    ],
)
def test_a_job_is_joined_by_time_only_where_exactly_one_fits(
    intents: list[tuple[str, float]],
    jobs: list[tuple[str, float]],
    now: float,
    ties: list[tuple[str, str]],
) -> None:
    """Ten minutes after, a minute before, and each the other's only candidate."""
    unknown = [Unknown(name, URL, after(minutes)) for name, minutes in intents]
    unclaimed = [Unclaimed(name, None, after(minutes)) for name, minutes in jobs]
    assert match_by_time(unknown, unclaimed, after(now)) == ties


def test_a_file_is_never_joined_by_time() -> None:
    """Its upload may take longer than any window, and still makes another's guess ambiguous."""
    file, link = Unknown("f", None, AT), Unknown("i", URL, after(1))
    job = [Unclaimed("j", None, after(2))]
    assert match_by_time([file], job, after(30)) == []
    assert match_by_time([file, link], job, after(30)) == []


def test_a_guessed_id_stays_known_if_the_answer_has_another(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """An answer later than its tie takes the intent; the tied id keeps a row of its own."""
    clipmart("track", "clipus", "c-guessed")
    ledger = Ledger(clipmart.data_dir / "state/ledger.sqlite")
    for kind, body in (
        ("intent", {"intent_id": "i", "url": URL}),
        ("tie", {"intent_id": "i", "campaign_id": "c-guessed", "outcome": "known"}),
        ("answer", {"intent_id": "i", "campaign_id": "c-answered", "outcome": "known"}),
    ):
        ledger.add([Event("clipus", kind, kind, "i", AT, body)])
    ledger.close()
    rows = {row["campaign_id"]: row for row in submissions(clipmart, "clipus")}
    assert rows.keys() == {"c-guessed", "c-answered"}
    assert rows["c-answered"]["url"] == URL


def test_a_wrong_intent_is_refused(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """`track --intent` ties only what is unknown; a known one stays as it is."""
    job_id = clipmart("submit", "klipit", "--source-url", URL).out.strip()
    intent = only(clipmart, "klipit")["submission_id"]
    assert clipmart("track", "klipit", "job_other", "--intent", intent).code == 2
    assert only(clipmart, "klipit")["job_id"] == job_id
