"""`export`: requested once, recorded with any outcome, and never shown as a link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sources.klipit.settings
from pipelines.landing.inbox import export_rows
from pipelines.ledger.ledger import Ledger
from pipelines.service.klipit import EXPORTS
from sandbox import Fault, Sandbox
from sandbox.accounts import KLIPIT_SCOPES
from sources.shared.tables import REMOVED
from tests.support.clipmart import Clipmart


@pytest.fixture
def job(sandbox: Sandbox) -> str:
    sandbox.add_job("job_1", clips=2)
    return "job_1"


def exports(clipmart: Clipmart) -> list[dict[str, Any]]:
    ledger = Ledger(clipmart.data_dir / "state/ledger.sqlite")
    try:
        rows = export_rows(EXPORTS, ledger.events("klipit", kinds=("export",)))
        return [row for row in rows if not row.get(REMOVED)]
    finally:
        ledger.close()


def test_not_ready_then_ready(sandbox: Sandbox, landing_only: Clipmart, job: str) -> None:
    """75 and recorded; one POST each time it is run; the link lands in klipit.exports alone."""
    clipmart = landing_only
    early = clipmart("export", job, "--platform", "tiktok")
    assert (early.code, early.out) == (75, "")
    assert "not ready" in early.err
    assert sandbox.asked("POST") == 1

    sandbox.clock.advance(minutes=2)
    ready = clipmart("export", job, "--platform", "tiktok")
    assert ready.code == 0
    assert sandbox.asked("POST") == 2
    assert "signature" not in ready.out + ready.err
    clipmart("track", "klipit", job)
    assert clipmart("sync").code == 0
    assert clipmart.rows(
        """SELECT export_id, job_id, platform, format, state, export_url LIKE '%signature=%',
                  expires_at::VARCHAR, requested_at::VARCHAR
           FROM klipit.exports"""
    ) == [
        (
            *(ready.out.strip(), job, "tiktok", "mp4", "ready", True),
            *("2026-04-09 12:00:00+00", "2026-04-08 12:00:00+00"),
        )
    ]


def test_an_export_is_one_row_however_often_it_is_run(
    sandbox: Sandbox, landing_only: Clipmart, job: str
) -> None:
    """One for each job, platform and format, as the last answer left it."""
    clipmart = landing_only
    clipmart("track", "klipit", job)
    for arguments in (["--platform", "reels"], [], [], [], ["--format", "zip"]):
        assert clipmart("export", job, *arguments).code == 75
        assert clipmart("sync").code == 0  # each lands before the next is sent
    assert sandbox.asked("POST") == 5
    assert clipmart.rows("SELECT platform, format, state FROM klipit.exports ORDER BY ALL") == [
        ("reels", "mp4", "not_ready"),
        (None, "mp4", "not_ready"),
        (None, "zip", "not_ready"),
    ]


def test_a_refusal_leaves_the_link_of_before(
    sandbox: Sandbox, landing_only: Clipmart, job: str
) -> None:
    """A ready export's link is valid until it expires, also if a second request fails."""
    clipmart, sandbox.export_seconds = landing_only, 0
    link = "SELECT state, export_url IS NOT NULL, expires_at::VARCHAR FROM klipit.exports"
    assert clipmart("export", job).code == 0
    sandbox.faults.plan([Fault("answer", method="POST", status=409), Fault("drop", method="POST")])
    for code, state in ((1, "ready"), (75, "unknown")):
        assert clipmart("export", job).code == code
        clipmart("sync")
        assert clipmart.rows(link) == [(state, True, "2026-04-09 12:00:00+00")]


@pytest.mark.parametrize(
    ("status", "body"),
    [(202, b""), (204, b""), (200, b"soon"), (200, {"export_url": None}), (200, [1])],
)
def test_any_2xx_without_a_link_is_not_ready(
    sandbox: Sandbox, clipmart: Clipmart, job: str, status: int, body: object
) -> None:
    """Whatever else it says."""
    sandbox.faults.plan([Fault("answer", method="POST", status=status, body=body)])
    assert clipmart("export", job).code == 75
    assert [row["state"] for row in exports(clipmart)] == ["not_ready"]


@pytest.mark.parametrize("kind", ["lost", "drop", "error", "truncated"])
def test_a_lost_answer_is_unknown(
    sandbox: Sandbox, clipmart: Clipmart, job: str, kind: str
) -> None:
    """75, one POST, recorded before it was sent."""
    sandbox.faults.plan([Fault(kind, method="POST")])
    done = clipmart("export", job, "--json")
    assert done.code == 75
    assert done.json()["state"] == "unknown"
    assert sandbox.asked() == 1
    assert [(row["state"], row["job_id"]) for row in exports(clipmart)] == [("unknown", job)]


def test_a_time_out_is_unknown(
    sandbox: Sandbox, clipmart: Clipmart, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As any lost answer."""
    monkeypatch.setattr(sources.klipit.settings, "EXPORT_SECONDS", 0.3)
    sandbox.faults.plan([Fault("trickle", method="POST", seconds=0.2)])
    assert clipmart("export", job).code == 75
    assert [row["state"] for row in exports(clipmart)] == ["unknown"]
    assert sandbox.asked() == 1


def test_a_refusal_is_reported_and_leaves_no_row(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """A job that is not complete, one that is not there, a key without the scope."""
    clipmart = landing_only
    sandbox.add_job("job_2", status="clipping")
    early = clipmart("export", "job_2")
    assert early.code == 1
    assert "must be complete" in early.err
    assert clipmart("export", "job_nowhere").code == 1
    scopes = [scope for scope in KLIPIT_SCOPES if scope != "exports:create"]
    sandbox.add_klipit_key("klipit_sk_reader", scopes=scopes)
    clipmart.environ["KLIPIT_API_KEY"] = "klipit_sk_reader"
    denied = clipmart("export", "job_2")
    assert denied.code == 3
    assert "exports:create" in denied.err
    assert sandbox.asked() == 3
    clipmart("sync")
    assert clipmart.rows("klipit.exports") == []


@pytest.mark.parametrize("job_id", ["", "a/b", "../jobs", "a b", "a?b", "x" * 201, "https://a.b"])
def test_what_can_be_no_id_is_never_sent(sandbox: Sandbox, clipmart: Clipmart, job_id: str) -> None:
    """Exit 2 before it becomes part of a URL."""
    assert clipmart("export", job_id).code == 2
    assert sandbox.asked() == 0


def test_an_unknown_platform_or_format_is_a_usage_error(
    sandbox: Sandbox, clipmart: Clipmart, tmp_path: Path
) -> None:
    """The choices are the reference's."""
    assert clipmart("export", "job_1", "--platform", "myspace").code == 2
    assert clipmart("export", "job_1", "--format", "gif").code == 2
    assert sandbox.asked() == 0


def test_json_has_everything_but_the_link(sandbox: Sandbox, clipmart: Clipmart, job: str) -> None:
    """One object on stdout."""
    sandbox.export_seconds = 0
    document = clipmart("export", job, "--format", "zip", "--json").json()
    assert document["export_id"] == exports(clipmart)[0]["export_id"]
    assert {k: v for k, v in document.items() if k != "export_id"} == {
        "job_id": job,
        "platform": None,
        "format": "zip",
        "state": "ready",
        "expires_at": "2026-04-09T12:00:00Z",
        "path": None,
        "error": None,
    }
