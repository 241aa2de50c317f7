"""What `clipmart status` tells, with numbers that can be counted in `conftest.fill`."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines import health
from pipelines.ledger import Ledger
from pipelines.lock import sync_lock
from pipelines.settings import parse_instant
from sandbox import Fault, Sandbox
from tests.conftest import NOW, Clipmart


def told(clipmart: Clipmart) -> dict[str, Any]:
    done = clipmart("status", "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = done.json()
    return found


def level(found: dict[str, Any], name: str) -> str:
    (check,) = [check for check in found["checks"] if check["name"] == name]
    return str(check["level"])


def test_everything_that_needs_a_look_is_told(troubled: Clipmart) -> None:
    found = told(troubled)

    assert found["services"]["klipit"] == {
        "has_key": True,
        "known": 4,
        "open": 2,
        "due": 0,
        "stuck": ["job_stuck"],
        "failed": {"total": 0, "recent": 0, "latest": []},
        "eta_seconds": 0.0,
        "last_synced_at": NOW,
        "hours_since_sync": 0.0,
    }
    assert found["services"]["clipus"]["known"] == 2
    assert found["services"]["clipus"]["stuck"] == ["c-stuck"]
    # 100 noted yesterday, 50 told today: 50 used in two known days.
    assert found["credits"] == {
        "balance": 50.0,
        "origin": "api",
        "told_at": NOW,
        "burn_7d": 25.0,
        "days_left": 2.0,
        "hours_old": 0.0,
    }
    assert (found["quota"]["month"], found["quota"]["quota"]) == ("2026-04-01", 0)
    assert found["audit_findings"][-1] == {
        "finding": "score outside 0 to 100",
        "table_name": "klipit.clips",
        "rows": 1,
    }
    assert found["rejected"] == {"records": 1, "not_found": 1, "fields": 0}
    assert [one["service"] for one in found["unknown_submissions"]] == ["klipit"]
    assert [run["exit_code"] for run in found["last_runs"]] == [1]
    assert {check["name"]: check["level"] for check in found["checks"]} == {
        "last sync": "warn",
        "klipit synced": "ok",
        "clipus synced": "ok",
        "credits": "warn",
        "video quota": "warn",
        "stuck jobs": "warn",
        "stuck campaigns": "warn",
        "failed jobs": "ok",
        "failed campaigns": "ok",
        "odd values": "warn",
        "outcome unknown": "warn",
        "rejected": "warn",
    }
    assert found["level"] == "warn"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-04-08T15:00:00Z", "ok"),
        ("2026-04-08T15:00:01Z", "warn"),
        ("2026-04-09T14:00:00Z", "warn"),
        ("2026-04-09T14:00:01Z", "fail"),
    ],
)
def test_freshness_is_the_age_of_the_last_sync(troubled: Clipmart, now: str, expected: str) -> None:
    """More than 3 h warn, more than 26 h fail; --check alone makes it the exit code."""
    troubled.at(now)

    found = told(troubled)

    assert level(found, "klipit synced") == expected
    levels = {table["table_name"]: table["level"] for table in found["freshness"]}
    assert levels["klipit.jobs"] == levels["clipus.videos"] == expected
    assert levels["klipit.submissions"] is None, "comes by itself, not by asking"
    assert levels["klipit.exports"] is None, "has no rows"
    assert levels["klipit.account_snapshots"] == ("warn" if expected == "fail" else "ok")
    assert troubled("status", "--check").code == (1 if expected == "fail" else 0)


def test_what_is_due_follows_the_clock_and_what_was_tracked_since(troubled: Clipmart) -> None:
    """The worklist's rules on the published file: 30 min for jobs of 1 h and more, 12 h for a
    campaign of a day."""
    troubled.at("2026-04-08T12:30:00Z")
    assert [s["due"] for s in told(troubled)["services"].values()] == [2, 0]

    troubled("track", "klipit", "job_new", "job_ok")
    klipit = told(troubled)["services"]["klipit"]
    assert (klipit["known"], klipit["open"], klipit["due"]) == (5, 3, 3)


def test_the_eta_is_that_of_the_quota(clipmart: Clipmart) -> None:
    """150 ids at 60 polls a minute need two more minutes; nothing has to be published."""
    clipmart.environ["CLIPMART_MINUTE_SECONDS"] = "60"
    clipmart("track", "klipit", *(f"job_{number}" for number in range(150)))

    klipit = told(clipmart)["services"]["klipit"]

    assert (klipit["known"], klipit["due"], klipit["eta_seconds"]) == (150, 150, 120.0)
    assert "2 min" in clipmart("status").out
    del clipmart.environ["KLIPIT_API_KEY"]
    assert "no key" in clipmart("status").out


def test_a_sync_that_met_an_api_that_was_down_does_not_count(
    sandbox: Sandbox, troubled: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Klipit is down at 16:00: its freshness is of 12:00, Clipus's of 16:00."""
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    troubled.at("2026-04-08T16:00:00Z")
    sandbox.faults.plan([Fault("error", "/jobs/*", times=None)])

    assert troubled("sync").code in (1, 75)

    services = told(troubled)["services"]
    assert services["klipit"]["last_synced_at"] == NOW
    assert services["clipus"]["last_synced_at"] == "2026-04-08T16:00:00Z"


def test_a_running_sync_and_one_that_was_killed_are_told(troubled: Clipmart) -> None:
    state = troubled.data_dir / "state"
    ledger = Ledger(state / "ledger.sqlite")
    ledger.start_run("r2", parse_instant("2026-04-08T12:05:00Z"))
    ledger.note("progress", [{"service": "klipit", "done": 3, "due": 9, "eta_seconds": 60.0}])
    ledger.close()
    with sync_lock(state / "lock", parse_instant("2026-04-08T12:05:00Z")):
        found = told(troubled)
        assert found["running"]["pid"] == os.getpid()
        assert level(found, "last sync") == "warn", "of the run before, which ended with 1"
        assert "klipit: 3 of 9" in troubled("status").out
    found = told(troubled)
    assert "did not finish" in found["checks"][0]["told"]
    assert found["progress"] is None


@pytest.mark.parametrize("colours", [True, False])
def test_a_terminal_of_80_columns_is_enough(troubled: Clipmart, colours: bool) -> None:
    """Every line of status and doctor fits, in colours unless NO_COLOR forbids them."""
    troubled.environ |= {"COLUMNS": "80"} | ({} if colours else {"NO_COLOR": "1"})
    for command in ("status", "doctor"):
        screen = on_a_terminal(troubled, command)
        assert ("\x1b[33mwarn" in screen) is colours
        for line in re.sub(r"\x1b\[\d*m", "", screen).splitlines():
            if "/" not in line:  # a path may be longer
                assert len(line) <= 80, line
        assert "clipmart track klipit ID" in re.sub(r"\s+", " ", screen)


def on_a_terminal(clipmart: Clipmart, *arguments: str) -> str:
    """What a command shows where its output is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", *arguments],
        cwd=clipmart.folder,
        env={"PATH": os.environ["PATH"], **clipmart.environ},
        stdout=theirs,
    )
    os.close(theirs)
    screen = b""
    try:
        while part := os.read(ours, 65536):
            screen += part
    except OSError:
        pass  # how Linux ends a terminal that nobody has open any more
    finally:
        os.close(ours)
        process.wait(timeout=30)
    return screen.decode()


def test_the_page_names_every_line_and_threshold(troubled: Clipmart) -> None:
    page = (Path(__file__).parents[2] / "docs/health.md").read_text()
    for command in ("status", "doctor"):
        for check in troubled(command, "--json").json()["checks"]:
            assert f"`{check['name']}`" in page
    for (warns, fails), words in (
        (health.SYNC_HOURS, "more than {:g} h ago | more than {:g} h ago"),
        (health.CREDIT_DAYS, "less than {:g} days at the last 7 days' pace"),
        (health.BALANCE_HOURS, "the balance is older than {:g} h"),
        (health.RUNNING_HOURS, "a sync runs for more than {:g} h"),
        (health.FREE_COPIES, "than {:g} times what is stored"),
        (health.CLOCK_SECONDS, "more than {:g} s from the APIs'"),
    ):
        assert words.format(warns, fails) in page


def test_before_anything_is_there(clipmart: Clipmart, tmp_path: Path) -> None:
    """No folder is made, nothing fails, and the next command is named."""
    for name in ("KLIPIT_API_KEY", "CLIPUS_API_KEY"):
        del clipmart.environ[name]

    found = told(clipmart)

    assert (found["level"], found["services"], found["published"]) == ("ok", {}, None)
    assert "`clipmart sync`" in clipmart("status").out
    assert list(tmp_path.iterdir()) == []
