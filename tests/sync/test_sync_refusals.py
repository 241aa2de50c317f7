"""What stops a sync or a service, with which exit code, and what happens to the rest."""

from __future__ import annotations

import pytest

from sandbox import Fault, Sandbox
from tests.support.clipmart import Clipmart


def test_a_refused_key_stops_its_service_at_once_and_not_the_other(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """401 from Klipit: one request, exit 3 naming the variable; Clipus is loaded."""
    for number in range(30):
        sandbox.add_job(f"job_{number}", clips=1)
    sandbox.add_campaign("c-1", status="rendering")
    landing_only("track", "klipit", *(f"job_{number}" for number in range(30)))
    landing_only("track", "clipus", "c-1")
    landing_only.environ["KLIPIT_API_KEY"] = "klipit_sk_wrong"

    done = landing_only("sync")

    assert done.code == 3
    assert "KLIPIT_API_KEY" in done.err
    assert "klipit_sk_wrong" not in done.err + done.out
    assert len([r for r in sandbox.requests if r.service == "klipit"]) == 1
    assert landing_only.rows("SELECT campaign_id FROM clipus.campaigns") == [("c-1",)]


def test_a_missing_scope_is_named(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """403 on clips stops Klipit with 3; 403 on the account is only a line."""
    sandbox.add_klipit_key("klipit_sk_narrow", scopes=["jobs:read"])
    sandbox.add_job("job_1", clips=1)
    landing_only("track", "klipit", "job_1")
    landing_only.environ["KLIPIT_API_KEY"] = "klipit_sk_narrow"

    done = landing_only("sync")

    assert done.code == 3
    assert "clips:read" in done.err
    assert "clipmart credits" in done.err


@pytest.mark.parametrize("latency", [0.0, 0.3])
def test_a_key_of_another_account_marks_no_id_as_missing(
    sandbox: Sandbox, landing_only: Clipmart, latency: float
) -> None:
    """The first 20 ids all 404 under a key that saw none: exit 3 after 20, nothing recorded.

    However many could be in flight.
    """
    sandbox.set_latency(latency)
    ids = [f"job_{number:02}" for number in range(40)]
    landing_only("track", "klipit", *ids)

    done = landing_only("sync")

    assert done.code == 3
    assert "another" in done.err and "--refresh" in done.err
    assert len([r for r in sandbox.requests if r.path.startswith("/jobs/")]) == 20
    assert landing_only.rows("clipmart.rejected_records") == []

    for id_ in ids[1:]:
        sandbox.add_job(id_, clips=0)
    sandbox.forget_requests()
    assert landing_only("sync", "--refresh", ids[1]).code == 1
    assert landing_only.rows("SELECT id FROM clipmart.rejected_records") == [("job_00",)]
    assert landing_only.rows("SELECT count(*) FROM klipit.jobs") == [(39,)]


def test_without_any_key_nothing_is_requested(landing_only: Clipmart, sandbox: Sandbox) -> None:
    """Exit 3, both variables named."""
    for name in ("KLIPIT_API_KEY", "CLIPUS_API_KEY"):
        del landing_only.environ[name]

    done = landing_only("sync")

    assert done.code == 3
    assert "KLIPIT_API_KEY" in done.err and "CLIPUS_API_KEY" in done.err
    assert sandbox.requests == []


def test_a_service_with_ids_but_no_key_is_3_after_the_other_is_done(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Klipit's missing key is reported after Clipus has landed."""
    sandbox.add_job("job_1", clips=1)
    landing_only("track", "klipit", "job_1")
    landing_only("track", "clipus", "c-1")
    del landing_only.environ["CLIPUS_API_KEY"]

    done = landing_only("sync")

    assert done.code == 3
    assert "CLIPUS_API_KEY" in done.err
    assert landing_only.rows("SELECT id FROM klipit.jobs") == [("job_1",)]


def test_an_api_that_is_down_stops_after_a_few_ids_and_the_rest_stays_due(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer 500: exit 75 after the retries of three ids, not of thirty."""
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    ids = [f"job_{number:02}" for number in range(30)]
    for id_ in ids:
        sandbox.add_job(id_, clips=0)
    landing_only("track", "klipit", *ids)
    sandbox.faults.plan([Fault("error", "/jobs/*", times=1000)])

    done = landing_only("sync", "--json")

    assert done.code == 75
    assert done.json()["services"]["klipit"]["remaining"] == 30
    assert len([r for r in sandbox.requests if r.path.startswith("/jobs/")]) <= 7 * 6

    sandbox.faults.clear()
    assert landing_only("sync").code == 0
    assert landing_only.rows("SELECT count(*) FROM klipit.jobs") == [(30,)]


def test_an_unwritable_data_folder_is_named(clipmart: Clipmart) -> None:
    """There is a file in the data folder's place."""
    clipmart.data_dir.write_text("not a folder")

    done = clipmart("sync")

    assert done.code == 3
    assert str(clipmart.data_dir) in done.err
    assert "Traceback" not in done.err


def test_reading_before_anything_is_published_names_the_place_and_the_command(
    clipmart: Clipmart,
) -> None:
    """Exit 3, the absolute path, and `clipmart sync`."""
    for command in (["report"], ["query", "SELECT 1"]):
        done = clipmart(*command)
        assert done.code == 3
        assert str(clipmart.warehouse) in done.err and "clipmart sync" in done.err


@pytest.mark.parametrize(
    ("service", "id_", "why"),
    [
        ("klipit", "b1c2d3e4-0000-4000-8000-000000000000", "campaign"),
        ("clipus", "job_01hx3k9q2d7p8r4t", "job"),
        ("klipit", "https://api.tryklipit.com/api/v1/jobs/job_1", "URL"),
        ("klipit", "job 1", "white space"),
        ("klipit", "job_1?x=1", "/ ? # %"),
        ("clipus", "../../admin", "/ ? # %"),
        ("klipit", "x" * 201, "200"),
        ("klipit", "job_\x07", "control"),
    ],
)
def test_an_unfit_id_is_refused_naming_its_line(
    prepared: Clipmart, service: str, id_: str, why: str
) -> None:
    """The good one next to it is recorded; exit 1."""
    good = "job_good" if service == "klipit" else "c-good"
    done = prepared("track", service, "--from", "-", stdin=f"{good}\n{id_}\n")

    assert done.code == 1
    assert "line 2" in done.err and why in done.err
    assert prepared("ids", service).out.splitlines()[1:] == [
        good + "," * (6 if service == "klipit" else 4)
    ]


def test_ids_is_a_backup_that_track_reads_back(prepared: Clipmart, tmp_path: object) -> None:
    """Known ids and their metadata survive the loss of the data folder."""
    csv = (
        "job_id,show_name,guest_name,description,platforms,source_url,submitted_at\n"
        'job_1,"Ton, Bild",Ana,"two\nlines",tiktok;reels,https://e.example/1,2026-04-01T10:00:00\n'
        "job_2,,,,,,\n"
    )
    prepared("track", "klipit", "--from", "-", stdin=csv)
    backup = prepared("ids", "klipit").out
    (prepared.data_dir / "state" / "ledger.sqlite").unlink()

    prepared("track", "klipit", "--from", "-", stdin=backup)

    assert prepared("ids", "klipit").out == backup
    assert "2026-04-01T10:00:00+00:00" in backup and "tiktok;reels" in backup
