"""Every line of `clipmart doctor`, ok and not, and the exit code of the worst."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from pipelines.health import doctor
from pipelines.health.checks import Check, disk
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.lock import sync_lock
from pipelines.settings import Settings
from sandbox import Fault, Sandbox
from sources.clipus.settings import requests_bucket
from sources.klipit.settings import polls_bucket
from sources.shared.slots import fingerprint
from sources.shared.values import instant
from tests.support.clipmart import NOW, Clipmart, Outcome


class Report:
    """Checks by name, and how the command ended."""

    def __init__(self, done: Outcome) -> None:
        self.code = done.code
        document = done.json()
        assert document["exit_code"] == done.code
        self.checks = {check["name"]: check for check in document["checks"]}
        assert len(self.checks) == len(document["checks"]), "no name occurs twice"
        for check in document["checks"]:
            assert (check["remedy"] is None) is (check["level"] == "ok"), check

    def __getitem__(self, name: str) -> str:
        return str(self.checks[name]["level"])

    def says(self, name: str) -> str:
        check = self.checks[name]
        return f"{check['message']} {check['remedy'] or ''}"


def examine(clipmart: Clipmart) -> Report:
    return Report(clipmart("doctor", "--json"))


def test_every_line_is_ok_after_a_sync(sandbox: Sandbox, synced: Clipmart) -> None:
    """It exits with 0, sends one request to each service, and changes nothing that is published."""
    synced("sync")
    before = synced.warehouse.read_bytes()
    sandbox.forget_requests()

    report = examine(synced)

    assert {name: check["level"] for name, check in report.checks.items()} == dict.fromkeys(
        [
            *("klipit key", "klipit balance", "klipit scopes", "klipit limits"),
            *("clipus key", "clipus plan", "clipus scopes", "clock"),
            *("data folder", "state folder", "disk", "lock", "versions", "webhooks"),
            *("klipit synced", "clipus synced", "outcome unknown", "rejected"),
        ],
        "ok",
    )
    assert report.code == 0
    assert [(r.method, r.path) for r in sandbox.requests if r.service == "klipit"] == [
        ("GET", "/account")
    ]
    assert [(r.method, r.path) for r in sandbox.requests if r.service == "clipus"] == [
        ("GET", "/api/v1/campaigns/00000000-0000-0000-0000-000000000000")
    ]
    assert synced.warehouse.read_bytes() == before
    assert "growth" in report.says("clipus plan") and "campaigns:create" in report.says(
        "clipus scopes"
    )


def test_before_anything_exists(clipmart: Clipmart, tmp_path: Path) -> None:
    """Without a key it fails with 3 and creates nothing; with keys it works."""
    keys = {name: clipmart.environ.pop(name) for name in ("KLIPIT_API_KEY", "CLIPUS_API_KEY")}
    report = examine(clipmart)
    assert (report["keys"], report.code) == ("fail", 3)
    assert "KLIPIT_API_KEY" in report.says("keys")
    assert list(tmp_path.iterdir()) == []

    clipmart.environ |= keys
    report = examine(clipmart)
    assert (report["klipit key"], report["klipit synced"], report.code) == ("ok", "warn", 0)
    assert "`clipmart sync`" in report.says("klipit synced")


def test_one_service_is_enough_unless_the_other_has_ids(clipmart: Clipmart) -> None:
    del clipmart.environ["CLIPUS_API_KEY"]
    assert examine(clipmart)["clipus key"] == "ok"
    clipmart("track", "clipus", "c-1")
    report = examine(clipmart)
    assert (report["clipus key"], report.code) == ("fail", 3)
    assert "CLIPUS_API_KEY" in report.says("clipus key")


@pytest.mark.parametrize(
    ("variable", "name"), [("KLIPIT_API_KEY", "klipit key"), ("CLIPUS_API_KEY", "clipus key")]
)
def test_a_refused_key_is_3_and_never_printed(clipmart: Clipmart, variable: str, name: str) -> None:
    clipmart.environ[variable] = "klipit_sk_canary77wrong"
    report = examine(clipmart)
    assert (report[name], report.code) == ("fail", 3)
    assert variable in report.says(name)
    shown = clipmart("doctor")
    assert "canary" not in shown.out + shown.err + str(report.checks)


def test_an_accepted_key_is_named_by_a_few_characters_of_its_fingerprint(
    clipmart: Clipmart,
) -> None:
    shown = clipmart("doctor").out
    assert f"fingerprint {fingerprint('klipit_sk_sandbox')[:6]})" in shown
    assert "klipit_sk_sandbox" not in shown and "sk_live_sandbox" not in shown


@pytest.mark.parametrize(
    ("scopes", "balance", "scope_level", "code"),
    [
        (["account:read"], "ok", "ok", 0),
        (["jobs:read"], "warn", "ok", 0),
        (["clips:read"], None, "fail", 3),
    ],
)
def test_klipits_scopes(
    sandbox: Sandbox,
    clipmart: Clipmart,
    scopes: list[str],
    balance: str | None,
    scope_level: str,
    code: int,
) -> None:
    """Without account:read a job that cannot exist is requested; that needs jobs:read."""
    sandbox.add_klipit_key("klipit_sk_narrow", scopes=scopes)
    clipmart.environ["KLIPIT_API_KEY"] = "klipit_sk_narrow"

    report = examine(clipmart)

    assert (report["klipit key"], report["klipit scopes"], report.code) == ("ok", scope_level, code)
    assert ("klipit balance" in report.checks) is (balance is not None)
    if balance:
        assert report["klipit balance"] == balance
    requested = [r.path for r in sandbox.requests if r.service == "klipit"]
    assert len(requested) == (1 if scopes == ["account:read"] else 2)


def test_what_only_a_sync_can_find_out_is_quoted(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """A key that reads only the account is ok until a sync requests a job."""
    sandbox.add_klipit_key("klipit_sk_narrow", scopes=["account:read"])
    landing_only.environ["KLIPIT_API_KEY"] = "klipit_sk_narrow"
    landing_only("track", "klipit", "job_1")
    assert landing_only("sync").code == 3
    report = examine(landing_only)
    assert (report["klipit key"], report["klipit synced"]) == ("ok", "warn")
    assert "needs the scope jobs:read" in report.says("klipit synced")


def test_an_unknown_account_path_warns_and_the_key_is_tried_on_a_job(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    clipmart.environ["KLIPIT_ACCOUNT_PATH"] = "/me"
    report = examine(clipmart)
    assert (report["klipit key"], report["klipit balance"], report.code) == ("ok", "warn", 0)
    assert "KLIPIT_ACCOUNT_PATH" in report.says("klipit balance")
    assert "/me answers 404" in report.says("klipit balance")


def test_clipuss_plan_and_scopes(sandbox: Sandbox, clipmart: Clipmart) -> None:
    sandbox.add_clipus_key("sk_live_poor", plan="starter", scopes=["campaigns:read"])
    clipmart.environ["CLIPUS_API_KEY"] = "sk_live_poor"
    report = examine(clipmart)
    assert (report["clipus plan"], report.code) == ("fail", 3)
    assert "starter" in report.says("clipus plan") and "Growth" in report.says("clipus plan")

    sandbox.set_plan("starter", has_api=True)
    report = examine(clipmart)
    assert (report["clipus plan"], report["clipus scopes"], report.code) == ("ok", "warn", 0)

    sandbox.set_plan("starter", requests_per_minute=0)
    report = examine(clipmart)
    assert (report["clipus plan"], report.code) == ("warn", 0)


def test_a_server_that_is_not_the_api(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """A page's 404 is no proof of a key."""
    clipmart.environ |= {
        "KLIPIT_BASE_URL": f"{sandbox.url}/elsewhere",
        "CLIPUS_BASE_URL": f"{sandbox.url}/elsewhere",
    }
    report = examine(clipmart)
    assert (report["klipit key"], report["clipus key"], report.code) == ("warn", "fail", 3)
    assert "KLIPIT_BASE_URL" in report.says("klipit key")
    assert "CLIPUS_BASE_URL" in report.says("clipus key")


def test_clipuss_404_may_lack_the_headers(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """The documented error's JSON proves the API, and that its key was accepted.

    The headers come with successful and plan-gated answers (clipus.io/developers).
    """
    error = {"success": False, "error": "Campaign not document."}
    sandbox.faults.plan([Fault("answer", "*campaigns*", status=404, body=error)])
    report = examine(clipmart)
    assert (report["clipus key"], report["clipus plan"], report.code) == ("ok", "ok", 0)


def test_a_redirect_is_not_followed(sandbox: Sandbox, clipmart: Clipmart) -> None:
    sandbox.faults.plan([Fault("redirect", times=None)])
    report = examine(clipmart)
    assert (report["klipit key"], report["clipus key"], report.code) == ("fail", "fail", 3)
    assert "KLIPIT_BASE_URL" in report.says("klipit key")


@pytest.mark.parametrize("kind", ["error", "drop", "unplugged"])
def test_an_api_that_is_down_is_75(sandbox: Sandbox, clipmart: Clipmart, kind: str) -> None:
    """It is reported within seconds; the other service is judged nevertheless."""
    if kind == "unplugged":
        clipmart.environ["KLIPIT_BASE_URL"] = "http://127.0.0.1:9"
    else:
        sandbox.faults.plan([Fault(kind, path, times=None) for path in ("/account", "/jobs/*")])
    began = time.monotonic()
    report = examine(clipmart)
    assert time.monotonic() - began < 6
    assert (report["klipit key"], report["clipus key"], report.code) == ("fail", "ok", 75)
    assert "KLIPIT_BASE_URL" in report.says("klipit key")


def test_a_server_that_never_ends_its_answer_is_abandoned(
    sandbox: Sandbox, clipmart: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.health.api_keys.ANSWER_SECONDS", 0.5)
    sandbox.faults.plan([Fault("trickle", "/api/v1/*", seconds=2.0, times=None)])
    report = examine(clipmart)
    assert (report["clipus key"], report.code) == ("fail", 75)


def test_a_used_up_quota_is_reported_at_once(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """A running sync took the whole minute: no request, no waiting, no failure."""
    clipmart.environ |= {"CLIPMART_MINUTE_SECONDS": "60", "KLIPIT_ACCOUNT_PATH": "/me"}
    ledger = Ledger(clipmart.data_dir / "state/ledger.sqlite")
    slots = ledger.slots(60)
    clipus = requests_bucket("sk_live_sandbox")
    slots.learn(clipus, 60)
    for bucket in (polls_bucket("klipit_sk_sandbox"), clipus):
        for _ in range(60):
            assert slots.take(bucket, 30)[0]
    ledger.close()

    began = time.monotonic()
    report = examine(clipmart)

    assert time.monotonic() - began < 3
    assert (report["klipit key"], report["clipus key"], report.code) == ("warn", "warn", 0)
    assert "used up" in report.says("clipus key")
    assert [r.path for r in sandbox.requests] == ["/me"], "no limit is documented for it"


def test_its_requests_take_slots_as_a_syncs_do(clipmart: Clipmart) -> None:
    clipmart.environ |= {"CLIPMART_MINUTE_SECONDS": "60", "KLIPIT_ACCOUNT_PATH": "/me"}
    report = examine(clipmart)
    assert "1 of 60 polls" in report.says("klipit limits")
    assert "1 of 60 requests" in report.says("clipus plan")


@pytest.mark.parametrize(
    ("now", "level", "code"),
    [
        ("2026-04-08T12:00:30Z", "ok", 0),
        ("2026-04-08T12:00:31Z", "warn", 0),
        ("2026-04-08T11:59:29Z", "warn", 0),
        ("2026-04-08T13:00:01Z", "fail", 1),
    ],
)
def test_the_clock_is_compared_with_the_answers(
    clipmart: Clipmart, now: str, level: str, code: int
) -> None:
    """In both directions; the sandbox's clock stays at 12:00."""
    clipmart.at(now)
    report = examine(clipmart)
    assert (report["clock"], report.code) == (level, code)


def test_the_data_folder(clipmart: Clipmart, tmp_path: Path) -> None:
    """A file in its place, or in place of its state: 3, and the keys are tried nevertheless."""
    clipmart.data_dir.write_text("")
    report = examine(clipmart)
    assert (report["data folder"], report["klipit key"], report.code) == ("fail", "ok", 3)
    assert "CLIPMART_DATA_DIR" in report.says("data folder")

    clipmart.data_dir.unlink()
    clipmart.data_dir.mkdir()
    (clipmart.data_dir / "state").write_text("")
    report = examine(clipmart)
    assert (report["data folder"], report["state folder"], report.code) == ("ok", "fail", 3)


def test_a_state_that_others_can_enter_warns(clipmart: Clipmart) -> None:
    state = clipmart.data_dir / "state"
    state.mkdir(parents=True)
    state.chmod(0o755)
    report = examine(clipmart)
    assert (report["state folder"], report.code) == ("warn", 0)
    assert f"chmod 700 {state}" in report.says("state folder")


def test_a_damaged_ledger_or_published_file_names_its_remedy(troubled: Clipmart) -> None:
    troubled.warehouse.write_bytes(b"no database" * 100)
    report = examine(troubled)
    assert (report["stored data"], report.code) == ("fail", 3)
    assert "`clipmart publish`" in report.says("stored data")
    (troubled.data_dir / "state/ledger.sqlite").write_bytes(b"no database" * 100)
    assert "`clipmart recover`" in examine(troubled).says("stored data")


@pytest.mark.parametrize(
    ("free_mib", "stored_mib", "level"),
    [
        (1024, 341, "ok"),
        (1023, 1, "warn"),
        (3000, 1001, "warn"),
        (99, 1, "fail"),
        (3000, 3001, "fail"),
    ],
)
def test_room_on_the_disk(free_mib: int, stored_mib: int, level: str) -> None:
    """Below 1 GiB or three times what is stored it warns, below 100 MiB or once that it fails."""
    check = disk({"free_bytes": free_mib << 20, "stored_bytes": stored_mib << 20}, Path("data"))
    assert (check.level, bool(check.remedy)) == (level, level != "ok")


def test_the_lock_names_its_holder_and_is_not_needed(clipmart: Clipmart) -> None:
    """A running sync is ok; one that runs for more than a day is not."""
    lock = clipmart.data_dir / "state/lock"
    with sync_lock(lock, instant(NOW)):
        report = examine(clipmart)
        assert report["lock"] == "ok" and re.search(r"process \d+", report.says("lock"))
        clipmart.at("2026-04-09T12:00:01Z")
        report = examine(clipmart)
        assert report["lock"] == "warn" and "kill" in report.says("lock")


def test_versions() -> None:
    """Packages outside the supported range, and packages that are not installed."""
    assert doctor.versions(metadata.requires("clipmart") or ()).level == "ok"
    check = doctor.versions(["dlt<1", "sqlmesh<0; extra == 'models'"])
    assert check.level == "warn"
    assert "supported: <1" in check.message and "sqlmesh" not in check.message
    check = doctor.versions(["dlt", "no-such-package>=1"])
    assert (check.level, check.exit_code) == ("fail", 3)
    assert "no-such-package" in check.message and "Install clipmart again" in check.remedy


def test_webhooks_that_arrived_need_a_secret(tmp_path: Path) -> None:
    rows = {"freshness": [{"table_name": "klipit.webhook_events", "row_count": 2}]}
    settings = Settings(data_dir=tmp_path)
    assert doctor.webhooks(settings, {"freshness": []}).level == "ok"
    assert doctor.webhooks(settings, rows).level == "warn"
    secret = replace(settings, klipit_webhook_secrets=("whsec_canary_of_today",))
    check: Check = doctor.webhooks(secret, rows)
    assert check.level == "ok" and "canary" not in check.message
    short = replace(settings, klipit_webhook_secrets=("canary_of_today", "whsec_canary_of_today"))
    check = doctor.webhooks(short, rows)
    assert check.level == "warn" and "canary" not in check.message


def test_the_stored_data_is_judged_too(sandbox: Sandbox, troubled: Clipmart) -> None:
    """How to resolve unknown outcomes and rejections; 1 if the last sync is long ago."""
    report = examine(troubled)
    assert (report["outcome unknown"], report["rejected"], report.code) == ("warn", "warn", 0)
    assert re.search(
        r"`clipmart track klipit ID --intent \S+`.*--again", report.says("outcome unknown")
    )
    assert "`clipmart rejected`" in report.says("rejected")
    for now, level, code in (
        ("2026-04-08T15:01:00Z", "warn", 0),
        ("2026-04-09T14:01:00Z", "fail", 1),
    ):
        troubled.at(now)
        sandbox.clock.set(now)
        report = examine(troubled)
        assert (report["klipit synced"], report.code) == (level, code)


def test_a_variable_that_cannot_be_read_is_a_line_too(clipmart: Clipmart) -> None:
    clipmart.environ["KLIPIT_BASE_URL"] = "no address"
    report = examine(clipmart)
    assert (report["settings"], report.code) == ("fail", 3)
    assert "KLIPIT_BASE_URL" in report.says("settings")
