"""What `clipmart status` reports, with numbers that can be counted in `conftest.fill`."""

from __future__ import annotations

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.health import checks as health
from pipelines.ledger.ledger import Ledger, ledger_unusable_error
from pipelines.ledger.lock import sync_lock
from pipelines.settings import Limits
from sandbox import Fault, Sandbox
from sources.shared.values import instant
from tests.support.clipmart import NOW, Clipmart


def status_of(clipmart: Clipmart) -> dict[str, Any]:
    done = clipmart("status", "--json")
    assert done.code == 0, done.err
    facts: dict[str, Any] = done.json()
    return facts


def level(facts: dict[str, Any], name: str) -> str:
    (check,) = [check for check in facts["checks"] if check["name"] == name]
    return str(check["level"])


def test_everything_that_needs_attention_is_reported(troubled: Clipmart) -> None:
    facts = status_of(troubled)

    assert facts["services"]["klipit"] == {
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
    assert facts["services"]["clipus"]["known"] == 2
    assert facts["services"]["clipus"]["stuck"] == ["c-stuck"]
    # 0, 40 and 35 used on three finished days; today's 25 are not counted yet.
    assert facts["credits"] == {
        "balance": 50.0,
        "origin": "api",
        "observed_at": NOW,
        "burn_7d": 25.0,
        "days_left": 2.0,
        "hours_old": 0.0,
    }
    assert (facts["quota"]["month"], facts["quota"]["quota"]) == ("2026-04-01", 0)
    assert facts["audit_findings"][-1] == {
        "finding": "score outside 0 to 100",
        "table_name": "klipit.clips",
        "rows": 1,
    }
    assert facts["rejected"] == {"records": 1, "not_found": 1, "fields": 0}
    assert [lost["service"] for lost in facts["unknown_submissions"]] == ["klipit"]
    assert [run["exit_code"] for run in facts["last_runs"]] == [1]
    assert {check["name"]: check["level"] for check in facts["checks"]} == {
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
        "disk": "ok",
    }
    assert facts["level"] == "warn"


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
    """More than 3 h warn, more than 26 h fail; only --check makes it the exit code."""
    troubled.at(now)

    facts = status_of(troubled)

    assert level(facts, "klipit synced") == expected
    levels = {table["table_name"]: table["level"] for table in facts["freshness"]}
    assert levels["klipit.jobs"] == levels["clipus.videos"] == expected
    assert levels["klipit.submissions"] is None, "filled by events, not by requests"
    assert levels["klipit.exports"] is None, "has no rows"
    assert levels["klipit.account_snapshots"] == ("warn" if expected == "fail" else "ok")
    assert troubled("status", "--check").code == (1 if expected == "fail" else 0)


def test_what_is_due_follows_the_clock_and_what_was_tracked_since(troubled: Clipmart) -> None:
    """The worklist's rules are applied to the published file.

    30 min for jobs of 1 h and more, 12 h for a campaign of a day.
    """
    troubled.at("2026-04-08T12:30:00Z")
    assert [s["due"] for s in status_of(troubled)["services"].values()] == [2, 0]

    troubled("track", "klipit", "job_new", "job_ok")
    klipit = status_of(troubled)["services"]["klipit"]
    assert (klipit["known"], klipit["open"], klipit["due"]) == (5, 3, 3)


def test_the_eta_is_that_of_the_quota(clipmart: Clipmart) -> None:
    """150 ids at 60 polls a minute need two more minutes; nothing has to be published."""
    clipmart.environ["CLIPMART_MINUTE_SECONDS"] = "60"
    clipmart("track", "klipit", *(f"job_{number}" for number in range(150)))

    klipit = status_of(clipmart)["services"]["klipit"]

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

    services = status_of(troubled)["services"]
    assert services["klipit"]["last_synced_at"] == NOW
    assert services["clipus"]["last_synced_at"] == "2026-04-08T16:00:00Z"


def test_a_running_sync_and_a_killed_sync_are_reported(troubled: Clipmart) -> None:
    state = troubled.data_dir / "state"
    ledger = Ledger(state / "ledger.sqlite")
    ledger.start_run("r2", instant("2026-04-08T12:05:00Z"))
    ledger.note("progress", [{"service": "klipit", "done": 3, "due": 9, "eta_seconds": 60.0}])
    ledger.close()
    with sync_lock(state / "lock", instant("2026-04-08T12:05:00Z")):
        facts = status_of(troubled)
        assert facts["running"]["pid"] == os.getpid()
        assert level(facts, "last sync") == "warn", "of the run before, which ended with 1"
        assert "klipit: 3 of 9" in troubled("status").out
    facts = status_of(troubled)
    assert "did not finish" in facts["checks"][0]["message"]
    assert facts["progress"] is None


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
    """What a command shows on a terminal."""
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
        (Limits.sync_hours, "more than {:g} h ago | more than {:g} h ago"),
        (Limits.credit_days, "less than {:g} days at the last 7 days' pace"),
        (health.BALANCE_HOURS, "the balance is older than {:g} h"),
        (health.RUNNING_HOURS, "a sync runs for more than {:g} h"),
        (health.FREE_COPIES, "than {:g} times what is stored"),
        (health.CLOCK_SECONDS, "more than {:g} s from the APIs'"),
    ):
        assert words.format(warns, fails) in page


def test_before_anything_exists(clipmart: Clipmart, tmp_path: Path) -> None:
    """No folder is created, nothing fails, and the next command is named."""
    for name in ("KLIPIT_API_KEY", "CLIPUS_API_KEY"):
        del clipmart.environ[name]

    facts = status_of(clipmart)

    assert (facts["level"], facts["services"], facts["published"]) == ("ok", {}, None)
    assert "`clipmart sync`" in clipmart("status").out
    assert list(tmp_path.iterdir()) == []


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))  # SQLite's own
    }


def test_it_changes_nothing(troubled: Clipmart) -> None:
    """Every file of the data folder keeps its bytes and its time, and none is added."""
    before = files(troubled.data_dir)
    assert troubled("status").code == 0
    assert files(troubled.data_dir) == before


def mounted_read_only(clipmart: Clipmart, *command: str) -> str:
    """What a command prints if the data folder is mounted read-only, the ledger closed cleanly."""
    for log in (clipmart.data_dir / "state").glob("ledger.sqlite-*"):
        log.unlink()
    folder = str(clipmart.data_dir)
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99; shift; exec "$@"'
    program = [sys.executable, "-m", "pipelines", *command]
    process = subprocess.run(
        # The mount ends with the process.
        ["unshare", "--mount", "sh", "-c", mount, "sh", folder, *program],
        cwd=clipmart.folder,
        env={"PATH": os.environ["PATH"], **clipmart.environ},
        capture_output=True,
        text=True,
    )
    if process.returncode in (1, 99):
        pytest.skip("a mount of its own is not allowed here")
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_it_works_on_a_read_only_folder(troubled: Clipmart) -> None:
    """The same is reported."""
    expected = status_of(troubled)
    read_only = json.loads(mounted_read_only(troubled, "status", "--json"))
    for facts in (expected, read_only):
        del facts["disk"], facts["checks"]
    assert read_only == expected


def test_ids_are_listed_from_a_read_only_folder(troubled: Clipmart) -> None:
    """They can be copied from a folder that cannot be written, such as a backup."""
    expected = troubled("ids", "klipit").out
    assert mounted_read_only(troubled, "ids", "klipit") == expected != ""


def test_a_disk_that_is_full_fails(troubled: Clipmart) -> None:
    """--check ends with 1; the same threshold is doctor's."""
    assert troubled("status", "--check").code == 0
    troubled.environ["CLIPMART_FREE_MIB"] = f"{1 << 40},{1 << 39}"
    done = troubled("status", "--check")
    assert done.code == 1
    assert "fail  disk" in done.out
    assert "fail  disk" in troubled("doctor").out


def test_the_limits_are_settings(troubled: Clipmart) -> None:
    """A sync every two days and credits for two days are enough for those who say so."""
    troubled.environ |= {"CLIPMART_SYNC_HOURS": "50, 74.5", "CLIPMART_CREDIT_DAYS": "2,0"}
    for now, synced in (
        ("2026-04-10T14:00:00Z", "ok"),
        ("2026-04-10T14:00:01Z", "warn"),
        ("2026-04-11T14:30:01Z", "fail"),
    ):
        troubled.at(now)
        facts = status_of(troubled)
        assert level(facts, "klipit synced") == synced
        levels = {table["table_name"]: table["level"] for table in facts["freshness"]}
        assert levels["klipit.jobs"] == synced
    troubled.at(NOW)
    facts = status_of(troubled)
    assert level(facts, "credits") == "ok", "2.0 days are left"
    assert facts["limits"]["sync_hours"] == [50.0, 74.5]


@pytest.mark.parametrize("pair", ["3", "3,x", "26,3", "-1,3", "3,26,30", "nan,3"])
def test_limits_that_cannot_be_meant_are_refused(clipmart: Clipmart, pair: str) -> None:
    """3, with the variable's name and what it is without it."""
    clipmart.environ["CLIPMART_SYNC_HOURS"] = pair
    refused = clipmart("status")
    assert refused.code == 3
    assert "CLIPMART_SYNC_HOURS" in refused.err and "3,26" in refused.err


def test_a_receiver_that_ended_by_itself_fails_until_it_runs_again(prepared: Clipmart) -> None:
    """Killed: --check ends with 1. Alive: ok. Stopped by SIGTERM: not listed."""
    prepared.environ["KLIPIT_WEBHOOK_SECRET"] = "whsec_of_today_4f1c"

    def started() -> subprocess.Popen[str]:
        process = prepared.start("listen", "--port", "0")
        assert process.stdout is not None
        assert "Listening on" in process.stdout.readline()
        return process

    def levels() -> list[str]:
        checks = status_of(prepared)["checks"]
        return [check["level"] for check in checks if check["name"] == "receiver"]

    assert levels() == []
    first = started()
    assert levels() == ["ok"]
    first.kill()
    first.communicate()
    assert levels() == ["fail"]
    checked = prepared("status", "--check")
    assert checked.code == 1
    assert f"process {first.pid}" in checked.out
    assert "`clipmart listen" in checked.out
    second = started()
    assert levels() == ["ok"]
    second.terminate()
    second.communicate()
    assert second.returncode == 0
    assert levels() == []


def test_a_locked_ledger_names_its_file_and_who_holds_it(prepared: Clipmart) -> None:
    """75, with the path and the process."""
    path = prepared.data_dir / "state/ledger.sqlite"
    ledger = Ledger(path)
    hold = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
    hold += "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        ledger.store.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(sqlite3.OperationalError) as locked:
            ledger.note("x", 1)
        error = ledger_unusable_error(path, locked.value)
    finally:
        holder.communicate()
        ledger.close()
    assert error.exit_code == 75
    assert f"{path} is locked by process {holder.pid}" in str(error)


def test_a_balance_dated_a_year_ahead_does_not_hide_the_last_one(troubled: Clipmart) -> None:
    """A wrong clock recorded it; age and number are those of the balance before it."""
    with duckdb.connect(str(troubled.warehouse)) as con:
        con.execute(
            """INSERT INTO klipit.account_snapshots BY NAME
               SELECT TIMESTAMPTZ '2027-04-08 12:00:00Z' AS observed_at, 999 AS balance"""
        )
    credits = status_of(troubled)["credits"]
    assert (credits["balance"], credits["observed_at"]) == (50.0, NOW)
