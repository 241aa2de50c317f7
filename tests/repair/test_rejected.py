"""Rejected records are listed without their payload and can be replayed by later rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sandbox import Sandbox
from sources.shared import tables, values
from sources.shared.values import DataType
from tests.support.clipmart import Clipmart


def test_rejected_records_are_listed_with_their_reason(
    sandbox: Sandbox, prepared: Clipmart
) -> None:
    sandbox.add_job(
        "job_1",
        clips=[{"id": "a", "start_seconds": "2:14", "media_url": "https://cdn.example/a?sig=s3cr"}],
    )
    prepared("track", "klipit", "job_1")
    prepared("sync")

    done = prepared("rejected")

    assert "klipit clips a: type: start_seconds is not a number" in done.out
    assert "s3cr" not in done.out + done.err


def test_a_replay_lands_what_the_rules_now_allow_and_keeps_what_had_landed(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later version reads numbers given as text: job and clip land, without a request."""
    sandbox.add_job("job_1", clips=[{"id": "a"}, {"id": "b", "start_seconds": "134.5", "new": 1}])
    sandbox.add_job("job_2", duration_seconds="3842")
    landing_only("track", "klipit", "job_1", "job_2")
    assert landing_only("sync").code == 1
    assert landing_only.rows("SELECT id FROM klipit.clips") == [("a",)]
    sandbox.forget_requests()
    before = values.converted

    def lenient(name: str, kind: DataType, value: Any) -> Any:
        return float(value) if kind == "double" and value else before(name, kind, value)

    monkeypatch.setattr(tables, "converted", lenient)

    done = landing_only("rejected", "--replay", "--json")

    assert done.json() == {"landed": 2, "outdated": 0, "still_rejected": 0}
    assert sandbox.requests == []
    assert landing_only.rows("SELECT id, start_seconds FROM klipit.clips ORDER BY id") == [
        ("a", None),
        ("b", 134.5),
    ]
    assert landing_only.rows("SELECT duration_seconds FROM klipit.jobs WHERE id = 'job_2'") == [
        (3842.0,)
    ]
    assert landing_only.rows("clipmart.rejected_records") == []


def test_a_replay_does_not_bring_back_what_a_newer_answer_replaced(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.add_job("job_1", clips=[{"id": "old", "start_seconds": "1"}])
    landing_only("track", "klipit", "job_1")
    landing_only("sync")
    sandbox.set_clips("job_1", [{"id": "new"}])
    sandbox.clock.advance(minutes=1)
    landing_only("sync", "--refresh", "job_1")
    before = values.converted

    def lenient(name: str, kind: DataType, value: Any) -> Any:
        return float(value) if kind == "double" and value else before(name, kind, value)

    monkeypatch.setattr(tables, "converted", lenient)

    assert landing_only("rejected", "--replay", "--json").json()["outdated"] == 1
    assert landing_only.rows("SELECT id FROM klipit.clips") == [("new",)]


def test_records_that_still_cannot_be_read_stay_rejected(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    sandbox.add_job("job_1", clips=[{"no": "id"}])
    landing_only("track", "klipit", "job_1")
    landing_only("sync")

    outcome: Mapping[str, int] = landing_only("rejected", "--replay", "--json").json()

    assert outcome == {"landed": 0, "outdated": 0, "still_rejected": 1}
    assert landing_only.rows("SELECT reason FROM clipmart.rejected_records") == [
        ("key: id is missing",)
    ]


def test_a_record_that_was_loaded_later_is_no_longer_rejected(
    sandbox: Sandbox, prepared: Clipmart
) -> None:
    """Once the API has fixed them, a job and a clip count nowhere as not loaded."""
    sandbox.add_job("job_1", clips=[{"id": "a", "start_seconds": "2:14"}])
    sandbox.add_job("job_2", duration_seconds="long", clips=0)
    sandbox.add_job("job_3", duration_seconds="long", clips=0)
    prepared("track", "klipit", "job_1", "job_2", "job_3", "job_4")
    prepared("sync")
    words = "3 records could not be loaded, 1 id was not found"
    assert words in prepared("status").out

    sandbox.set_clips("job_1", [{"id": "a", "start_seconds": 134}])
    sandbox.update_job("job_2", duration_seconds=60)
    sandbox.add_job("job_4", clips=0)
    sandbox.clock.advance(minutes=1)
    prepared("sync", "--refresh", "job_1", "job_2", "job_4")

    words = "1 record could not be loaded"
    (check,) = [
        check
        for check in prepared("status", "--json").json()["checks"]
        if check["name"] == "rejected"
    ]
    assert check["message"] == words
    prepared("report", "--html", "report.html")
    page = (prepared.folder / "report.html").read_text()
    assert f"{words}.</a>" in page and f"Rejected or noted: {words}." in page
    (line,) = prepared("rejected").out.splitlines()
    assert "job_3" in line
