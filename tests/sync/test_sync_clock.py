"""A clock that was wrong once, this machine's or an API's, has no lasting effect."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime

import duckdb
import pytest

from pipelines.ledger.ledger import Event, Ledger
from sandbox import Fault, Sandbox
from tests.support.clipmart import NOW, Clipmart

A_YEAR_AHEAD = "2027-04-08T12:00:00Z"
LATER = "2026-04-24T12:00:00Z"  # 16 days after NOW


@pytest.fixture
def wrong_once(sandbox: Sandbox, landing_only: Clipmart) -> Clipmart:
    """Synced at NOW, then once with a clock a year ahead; the APIs' clocks are right."""
    sandbox.add_job("job_1", clips=1)
    sandbox.add_job("job_2", status="clipping", created_at="2026-04-08T11:00:00Z")
    landing_only("track", "klipit", "job_1", "job_2")
    assert landing_only("sync", "klipit").code == 0
    landing_only.at(A_YEAR_AHEAD)
    assert landing_only("sync", "klipit").code == 0
    landing_only.at(LATER)
    return landing_only


def test_a_run_dated_in_the_future_does_not_count_as_the_last_sync(
    wrong_once: Clipmart,
) -> None:
    """16 days later the check fails, and reports how many runs it ignored and why."""
    checked = wrong_once("status", "--check", "--json")

    assert checked.code == 1
    status = checked.json()
    assert status["services"]["klipit"]["last_synced_at"] == NOW
    assert status["services"]["klipit"]["hours_since_sync"] == 16 * 24
    assert [run["started_at"][:4] for run in status["last_runs"]] == ["2026"]
    (dates,) = [check for check in status["checks"] if check["name"] == "run dates"]
    assert dates["level"] == "warn"
    assert dates["message"].startswith("1 run is dated in the future")


def test_a_file_dated_in_the_future_is_not_shown_as_new(prepared: Clipmart) -> None:
    """A file published by a clock a year ahead, read with a right one."""
    prepared.at(A_YEAR_AHEAD)
    assert prepared("publish").code == 0
    prepared.at(NOW)
    (line,) = [line for line in prepared("status").out.splitlines() if "published " in line]
    assert line.endswith(", dated in the future")


def test_runs_after_it_land_in_sync_runs(sandbox: Sandbox, wrong_once: Clipmart) -> None:
    """The cursor is not at the year ahead: a later publishing sync lands the run before it."""
    sandbox.clock.set("2026-04-08T12:30:00Z")
    wrong_once.at("2026-04-08T12:30:00Z")
    assert wrong_once("sync", "klipit").code == 0
    sandbox.clock.set("2026-04-08T13:00:00Z")
    wrong_once.at("2026-04-08T13:00:00Z")
    assert wrong_once("sync", "klipit").code == 0

    landed = wrong_once.landed("SELECT started_at FROM clipmart.sync_runs ORDER BY started_at")
    assert (datetime(2026, 4, 8, 12, 30, tzinfo=UTC),) in [
        (at.astimezone(UTC),) for (at,) in landed
    ]


def test_a_balance_dated_in_the_future_does_not_land_again_at_every_sync(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """A snapshot is compared with the one before it, not with one from a year ahead."""
    sandbox.balance = 50
    landing_only("track", "klipit", "job_1")
    landing_only("sync", "klipit")
    with duckdb.connect(str(landing_only.data_dir / "state/landing.duckdb")) as con:
        con.execute(
            f"""INSERT INTO klipit.account_snapshots BY NAME
                SELECT * REPLACE (TIMESTAMPTZ '{A_YEAR_AHEAD}' AS observed_at)
                FROM klipit.account_snapshots"""
        )
    for minute in (10, 20):
        sandbox.clock.set(f"2026-04-08T12:{minute}:00Z")
        landing_only.at(f"2026-04-08T12:{minute}:00Z")
        landing_only("sync", "klipit")

    assert landing_only.rows("SELECT count(*) FROM klipit.account_snapshots") == [(2,)]


def test_a_sync_that_reads_nothing_due_does_not_count_as_the_last_sync(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """--max-minutes ends it with 0, and the service's freshness stays that of the sync before."""
    sandbox.add_job("job_1", status="clipping", created_at="2026-04-08T11:00:00Z")
    landing_only("track", "klipit", "job_1")
    assert landing_only("sync", "klipit").code == 0
    landing_only.at("2026-04-08T13:00:00Z")
    sandbox.faults.plan([Fault("trickle", "/jobs/*", seconds=9.0, times=None)])

    done = landing_only("sync", "klipit", "--max-minutes", "0.005", "--json")

    assert (done.code, done.json()["services"]["klipit"]["remaining"]) == (0, 1)
    assert landing_only("status", "--json").json()["services"]["klipit"]["last_synced_at"] == NOW
    sandbox.faults.clear()
    landing_only("sync", "klipit")
    synced_at = landing_only("status", "--json").json()["services"]["klipit"]["last_synced_at"]
    assert synced_at == "2026-04-08T13:00:00Z"


@pytest.mark.parametrize(
    ("ahead", "observed_at"),
    [("2026-04-08T12:05:00Z", "2026-04-08T12:05:00Z"), ("2026-04-10T12:00:00Z", NOW)],
)
def test_a_date_of_an_api_counts_up_to_5_minutes_ahead(
    sandbox: Sandbox, landing_only: Clipmart, ahead: str, observed_at: str
) -> None:
    """Beyond that, the machine's own clock dates the rows, and each service has a line about it."""
    sandbox.add_job("job_1", clips=2)
    sandbox.add_job("job_2", clips=1)
    sandbox.add_campaign("c-1")
    landing_only("track", "klipit", "job_1", "job_2")
    landing_only("track", "clipus", "c-1")
    sandbox.clock.set(ahead)

    done = landing_only("sync")

    expected = datetime.fromisoformat(observed_at)
    for table in ("klipit.jobs", "klipit.clips", "klipit.clip_reads", "klipit.account_snapshots"):
        assert landing_only.rows(f"SELECT DISTINCT observed_at FROM {table}") == [(expected,)]
    for table in ("clipus.campaigns", "clipus.plan_observations"):
        assert landing_only.rows(f"SELECT DISTINCT observed_at FROM {table}") == [(expected,)]
    reported = observed_at == NOW
    assert done.err.count("Klipit's clock is 2 days ahead of this machine's") == reported
    assert done.err.count("Clipus's clock is 2 days ahead of this machine's") == reported


def test_ids_land_after_the_loss_of_a_ledger_numbered_by_a_clock_ahead(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """The inbox's cursor is a year ahead, so the new ledger's numbers are raised."""
    for number in range(4):
        sandbox.add_job(f"job_{number}", clips=0)
    landing_only("track", "klipit", "job_0")
    state = landing_only.data_dir / "state"
    with sqlite3.connect(state / "ledger.sqlite") as con:
        year = 365 * 86_400 * 1_000_000
        con.execute("UPDATE events SET seq = seq + ?", (year,))
    con.close()
    assert landing_only("sync", "klipit").code == 0
    for path in state.glob("ledger.sqlite*"):
        path.unlink()

    landing_only("track", "klipit", "job_1", "job_2")
    assert landing_only("sync", "klipit").code == 0
    landing_only("track", "klipit", "job_3")
    assert landing_only("sync", "klipit").code == 0

    ids = landing_only.rows("SELECT id FROM klipit.jobs ORDER BY id")
    assert ids == [("job_0",), ("job_1",), ("job_2",), ("job_3",)]


def test_an_api_that_answers_nothing_is_75_even_with_one_due_id(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request was answered: 75. If the account was answered, only the id fails: 1."""
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    sandbox.add_job("job_1", clips=0)
    landing_only("track", "klipit", "job_1")
    sandbox.faults.plan([Fault("error", "/*", times=None)])

    down = landing_only("sync", "klipit")

    assert down.code == 75
    assert "seems to be down" in down.err
    sandbox.faults.clear()
    sandbox.faults.plan([Fault("error", "/jobs/*", times=None)])
    assert landing_only("sync", "klipit").code == 1


def test_calls_about_a_campaign_count_once_a_minute_with_numbers_ahead(
    prepared: Clipmart,
) -> None:
    """The ledger's numbers are a year ahead: a second call counts only a minute later."""
    from pipelines.settings import load_settings
    from pipelines.webhooks.campaigns import KnownCampaigns

    ledger = Ledger(prepared.data_dir / "state/ledger.sqlite")
    try:
        at = datetime.now(UTC)
        ledger.add([Event("clipus", "import", "c-1", "c-1", at, {"campaign_id": "c-1"})])
        ledger.store.execute("UPDATE events SET seq = seq + 31536000000000")
        campaigns = KnownCampaigns(load_settings({"CLIPMART_DATA_DIR": str(prepared.data_dir)}))

        def call() -> int:
            return ledger.add(campaigns.due(ledger, {"c-1"}))

        assert [call(), call(), call()] == [1, 0, 0]
        campaigns._read_at["c-1"] = time.monotonic() - 61
        assert call() == 1
    finally:
        ledger.close()
