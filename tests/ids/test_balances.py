"""Balances entered by hand and balances that the API reports: neither invents spending."""

from __future__ import annotations

from sandbox import Sandbox
from tests.support.clipmart import Clipmart

TOMORROW = "2026-04-09T12:00:00Z"
USE = "SELECT day::VARCHAR, credits_used, balance_close, days_left FROM reports.credit_usage"
BY_HAND = "SELECT balance, observed_at::VARCHAR FROM klipit.account_snapshots WHERE origin = 'hand'"


def next_day(sandbox: Sandbox, clipmart: Clipmart) -> None:
    sandbox.clock.set(TOMORROW)
    clipmart.at(TOMORROW)


def test_a_balance_by_hand_next_to_the_apis_invents_no_spending(
    sandbox: Sandbox, prepared: Clipmart
) -> None:
    """The API says 51, a person notes 500: the note is stored, and reports ignore it."""
    sandbox.set_balance(51)
    assert prepared("sync", "klipit").code == 0
    assert "Reports ignore it" in prepared("credits", "500").err
    assert prepared("sync", "klipit").code == 0
    next_day(sandbox, prepared)
    assert prepared("sync", "klipit").code == 0
    assert prepared.rows(USE + " ORDER BY day") == [
        ("2026-04-08", 0, 51, None),
        ("2026-04-09", 0, 51, None),
    ]
    assert [row[0] for row in prepared.rows(BY_HAND)] == [500]
    assert prepared("status", "--json").json()["credits"]["balance"] == 51


def test_the_apis_answer_lands_after_a_note(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """Though it is the same as the API's last one, and of the same day; then no more."""
    landing_only("sync", "klipit")
    landing_only.at("2026-04-08T12:01:00Z")
    landing_only("credits", "140")
    sandbox.clock.advance(minutes=2)
    landing_only.at("2026-04-08T12:02:00Z")
    for _ in range(2):
        landing_only("sync", "klipit")
    assert landing_only.rows(
        "SELECT balance, origin FROM klipit.account_snapshots ORDER BY observed_at"
    ) == [(150, "api"), (140, "hand"), (150, "api")]


def test_an_implausible_balance_needs_force(synced: Clipmart) -> None:
    """Over 100 times, or under a hundredth of the balance before, published or only recorded."""
    assert synced.rows("SELECT balance FROM klipit.account_snapshots") == [(150,)]
    for balance in ("15000.5", "1.4"):
        done = synced("credits", balance)
        assert done.code == 2
        assert "--force" in done.err and "was 150," in done.err
    assert synced("credits", "1.4", "--force").code == 0
    assert synced("credits", "150").code == 2
    assert synced("credits", "15").code == 0


def test_undo_takes_back_the_last_note(landing_only: Clipmart) -> None:
    """Noted last, not dated last; another of the same instant that it had replaced is back."""
    clipmart = landing_only
    del clipmart.environ["KLIPIT_API_KEY"]
    for balance, at in (("90", "07"), ("80", "06"), ("85", "06")):
        assert clipmart("credits", balance, "--at", f"2026-04-{at}T00:00:00Z").code == 0
    clipmart("sync")
    for left in (
        [(80, "2026-04-06 00:00:00+00"), (90, "2026-04-07 00:00:00+00")],
        [(90, "2026-04-07 00:00:00+00")],
        [],
    ):
        assert clipmart("credits", "--undo").code == 0
        clipmart("sync")
        assert clipmart.rows(f"{BY_HAND} ORDER BY observed_at") == left
    assert clipmart("credits", "--undo").code == 2
    assert clipmart("credits", "90", "--at", "2026-04-07T00:00:00Z").code == 0
    clipmart("sync")
    assert clipmart.rows(BY_HAND) == [(90, "2026-04-07 00:00:00+00")]
