"""What was submitted before: refused by name, unless it failed or --again says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.ledger.ledger import Event, Ledger
from pipelines.submissions.request import plain_url, same_url
from sandbox import Sandbox
from sources.shared.slots import RateSlots
from tests.support.clipmart import Clipmart
from tests.support.ledger_view import submissions

URL = "https://good.example/watch?v=1"


def test_a_live_url_is_refused_by_name_and_taken_with_again(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """2, naming submission, job and state; the URL is shown without its query."""
    job_id = clipmart("submit", "klipit", "--source-url", URL).out.strip()
    refused = clipmart("submit", "klipit", "--source-url", URL)
    (row,) = submissions(clipmart, "klipit")
    assert (refused.code, refused.out) == (2, "")
    for word in (job_id, row["submission_id"], "known", "--again", "https://good.example/watch "):
        assert word in refused.err
    assert "v=1" not in refused.err
    assert sandbox.asked("POST") == 1
    assert clipmart("submit", "klipit", "--source-url", URL, "--again").code == 0
    assert len(sandbox.jobs) == 2


def test_a_tracked_id_guards_its_url(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """An import that says where it came from counts as a submission."""
    clipmart("track", "clipus", "--from", "-", stdin="campaign_id,url\nc-1,https://Good.example\n")
    refused = clipmart("submit", "clipus", "--url", "https://good.example/")
    assert refused.code == 2
    assert "c-1" in refused.err


def test_another_service_or_file_is_no_double(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """URLs are compared within a service; a file has none."""
    (clipmart.folder / "e.mp3").write_bytes(b"x")
    for arguments in (
        ("klipit", "--source-url", "https://good.example/"),
        ("clipus", "--url", "https://good.example/"),
        ("klipit", "--file", "e.mp3"),
        ("klipit", "--file", "e.mp3"),
    ):
        assert clipmart("submit", *arguments).code == 0


def test_a_job_that_failed_is_not_live(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """Its event in the ledger is enough; no sync need have seen it."""
    job_id = clipmart("submit", "klipit", "--source-url", URL).out.strip()
    ledger = Ledger(clipmart.data_dir / "state/ledger.sqlite")
    body = {"event": "job.failed", "job_id": job_id, "error": "No speech found."}
    ledger.add([Event("klipit", "webhook", "e1", job_id, datetime.now(UTC), body)])
    ledger.close()
    assert clipmart("submit", "klipit", "--source-url", URL).code == 0


def test_a_double_that_comes_while_waiting_to_send_is_refused(
    sandbox: Sandbox, clipmart: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check is repeated in the transaction that writes the intent."""
    take = RateSlots.take

    def meanwhile(self: RateSlots, *arguments: Any) -> tuple[int, float]:
        ledger = Ledger(clipmart.data_dir / "state/ledger.sqlite")
        body = {"intent_id": "quicker", "source_url": URL}
        ledger.add([Event("klipit", "intent", "quicker", "quicker", datetime.now(UTC), body)])
        ledger.close()
        return take(self, *arguments)

    monkeypatch.setattr(RateSlots, "take", meanwhile)
    refused = clipmart("submit", "klipit", "--source-url", URL)
    assert refused.code == 2
    assert "quicker" in refused.err
    assert sandbox.asked() == 0
    assert [row["submission_id"] for row in submissions(clipmart, "klipit")] == ["quicker"]


def test_what_is_published_counts_even_without_the_ledger(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """The URLs of a failed job and a failed campaign are free again, those of complete ones not.

    The message about the quota, recorded in `error`, reaches its report.
    """
    failing, page = "https://failing.example/1", "https://failing.example/"
    job_id = clipmart("submit", "klipit", "--source-url", URL).out.strip()
    clipmart("submit", "klipit", "--source-url", failing)
    clipmart("submit", "clipus", "--url", page)
    sandbox.videos_used["sandbox", "2026-04"] = 60
    assert clipmart("submit", "clipus", "--url", "https://good.example/").code == 1
    sandbox.videos_used.clear()
    sandbox.clock.advance(hours=2)
    assert clipmart("sync").code == 0
    assert clipmart.rows("SELECT quota FROM reports.video_quota") == [(60,)]
    for path in (clipmart.data_dir / "state").glob("ledger.sqlite*"):
        path.unlink()

    refused = clipmart("submit", "klipit", "--source-url", URL)
    assert refused.code == 2
    assert job_id in refused.err
    assert clipmart("submit", "klipit", "--source-url", failing).code == 0
    assert clipmart("submit", "clipus", "--url", page).code == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example", "https://a.example/", True),
        ("HTTPS://A.example/x/", "https://a.example/x", True),
        ("https://a.example/x", "https://a.example/X", False),
        ("https://a.example/?v=1", "https://a.example/?v=2", False),
        ("https://a.example/?v=1&sig=x", "https://a.example/?v=1", True),
        ("https://a.example/", "http://a.example/", False),
        ("https://[broken", "https://[broken", True),
    ],
)
def test_urls_are_the_same_but_for_case_of_the_host_and_a_last_slash(
    one: str, other: str, same: bool
) -> None:
    """A query or a path's case may name another page."""
    assert same_url(one, other) is same


def test_a_url_is_shown_without_what_may_be_secret() -> None:
    """User, query and fragment."""
    assert plain_url("https://me:pw@a.example:1/x?k=s#f") == "https://a.example:1/x"
