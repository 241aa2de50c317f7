"""What lands of odd records: unknown fields, wrong types, missing keys, 404s."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox import Fault, Sandbox
from tests.support.clipmart import Clipmart


def test_undocumented_fields_become_columns_of_their_own_type(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """BOOLEAN, DOUBLE for every number, VARCHAR even for text like a time, JSON."""
    sandbox.add_job(
        "job_1",
        clips=[
            {
                "id": "a",
                "isPinned": True,
                "views": 3,
                "ratio": 0.5,
                "looks_like_a_time": "2026-04-08T12:00:00Z",
                "tags": ["x", "ü"],
                "crop": {"w": 9, "h": 16},
                "nothing": None,
            },
            {"id": "b", "views": 2.5},
        ],
    )
    landing_only("track", "klipit", "job_1")
    assert landing_only("sync").code == 0

    types = dict(
        landing_only.rows(
            """SELECT column_name, data_type FROM duckdb_columns()
               WHERE schema_name = 'klipit' AND table_name = 'clips'"""
        )
    )
    assert {
        name: types.get(name)
        for name in ("isPinned", "views", "ratio", "looks_like_a_time", "tags", "crop", "nothing")
    } == {
        "isPinned": "BOOLEAN",
        "views": "DOUBLE",
        "ratio": "DOUBLE",
        "looks_like_a_time": "VARCHAR",
        "tags": "JSON",
        "crop": "JSON",
        "nothing": None,
    }
    assert landing_only.rows("SELECT id, views, tags FROM klipit.clips ORDER BY id") == [
        ("a", 3.0, '["x", "ü"]'),
        ("b", 2.5, None),
    ]


def test_an_undocumented_value_that_does_not_fit_its_column_lands_as_null_and_is_noted(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """The row lands; the note has the reason `field` and is not counted as rejected."""
    sandbox.add_job("job_1", clips=[{"id": "a", "views": 3}])
    landing_only("track", "klipit", "job_1")
    landing_only("sync")
    sandbox.add_job("job_2", clips=[{"id": "b", "views": "many"}])
    landing_only("track", "klipit", "job_2")

    second = landing_only("sync", "--json")

    assert second.code == 0
    assert second.json()["services"]["klipit"]["rejected"] == 0
    assert landing_only.rows("SELECT id, views FROM klipit.clips ORDER BY id") == [
        ("a", 3.0),
        ("b", None),
    ]
    ((endpoint, id_, reason, payload),) = landing_only.rows(
        "SELECT endpoint, id, reason, payload FROM clipmart.rejected_records"
    )
    assert (endpoint, id_, reason) == ("clips", "b", "field")
    assert json.loads(payload) == {"column": "views", "value": "many"}


def test_a_documented_field_of_the_wrong_type_rejects_only_its_record(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Input = loaded + rejected: 4 clips in, 2 loaded, 2 rejected with their payload."""
    sandbox.add_job(
        "job_1",
        clips=[
            {"id": "a", "start_seconds": 134.5},
            {"id": "b", "start_seconds": "134"},
            {"moment_type": "how_to"},
            {"id": "d", "shareability_score": 94},
        ],
    )
    landing_only("track", "klipit", "job_1")

    done = landing_only("sync", "--json")

    assert done.code == 1
    service = done.json()["services"]["klipit"]
    assert (service["loaded"]["clips"], service["rejected"]) == (2, 2)
    assert landing_only.rows("SELECT clips FROM klipit.clip_reads") == [(4,)]
    assert landing_only.rows(
        "SELECT id, reason FROM clipmart.rejected_records ORDER BY reason"
    ) == [
        ("job_1", "key: id is missing"),
        ("b", "type: start_seconds is not a number"),
    ]


def test_a_rejected_job_is_polled_again_as_its_age_allows(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """A job that cannot land is treated as unfinished: polled now and then, not forgotten."""
    sandbox.add_job("job_1", clip_count="four", clips=1)
    landing_only("track", "klipit", "job_1")
    assert landing_only("sync").code == 1
    sandbox.forget_requests()
    landing_only("sync")
    assert sandbox.asked("GET", "/jobs/job_1") == 0

    for now in ("2026-04-08T12:00:15Z",):
        sandbox.clock.set(now)
        landing_only.at(now)
    sandbox.update_job("job_1", clip_count=1)
    assert landing_only("sync").code == 0
    assert landing_only.rows("SELECT clip_count FROM klipit.jobs") == [(1,)]


def test_a_missing_id_is_recorded_once_and_requested_again_only_by_refresh(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """404: recorded in rejected_records, then not requested until it is named."""
    sandbox.add_job("job_1", clips=1)
    landing_only("track", "klipit", "job_1", "job_gone")
    assert landing_only("sync").code == 1
    assert landing_only.rows("SELECT id, reason FROM clipmart.rejected_records") == [
        ("job_gone", "not_found")
    ]
    sandbox.forget_requests()
    assert landing_only("sync").code == 0
    assert sandbox.asked("GET", "/jobs/job_gone") == 0

    sandbox.add_job("job_gone", clips=1)
    assert landing_only("sync", "--refresh", "job_gone").code == 0
    assert landing_only.rows("SELECT id FROM klipit.jobs ORDER BY id") == [
        ("job_1",),
        ("job_gone",),
    ]


def test_the_row_of_a_loaded_job_that_vanishes_stays_and_is_settled(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """404 for a loaded id: an observation `not_found`, no rejection, never due again."""
    sandbox.add_job("job_1", status="clipping", created_at="2026-04-08T12:00:00Z")
    landing_only("track", "klipit", "job_1")
    landing_only("sync")
    sandbox.remove_job("job_1")
    for now in ("2026-04-08T12:01:00Z", "2026-04-08T12:05:00Z"):
        sandbox.clock.set(now)
        landing_only.at(now)
        sandbox.forget_requests()
        assert landing_only("sync").code == 0

    assert sandbox.asked("GET", "/jobs/job_1") == 0
    assert landing_only.rows("SELECT id, status FROM klipit.jobs") == [("job_1", "clipping")]
    assert landing_only.rows("SELECT status FROM klipit.job_observations ORDER BY observed_at") == [
        ("clipping",),
        ("not_found",),
    ]
    assert landing_only.rows("clipmart.rejected_records") == []


def test_videos_of_two_campaigns_may_share_an_id(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """The key is (campaign_id, id)."""
    for campaign in ("c-1", "c-2"):
        sandbox.add_campaign(campaign, status="completed", videos=[{"id": "v1", "status": "ready"}])
    landing_only("track", "clipus", "c-1", "c-2")
    landing_only("sync")

    assert landing_only.rows("SELECT campaign_id, id FROM clipus.videos ORDER BY 1") == [
        ("c-1", "v1"),
        ("c-2", "v1"),
    ]


def test_field_names_that_no_column_can_have_stop_neither_service(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Each of these once stopped every later sync; now the records land and the names are noted."""
    names = ["_Dlt_load_id", "_Clipmart_removed", "a;b", " ", "x ", "s", "\u017f", "a\x00b", "ID"]
    sandbox.add_job("job_1", clips=[{"id": "a", **dict.fromkeys(names, 1)}])
    odd: dict[str, Any] = {"_DLT_ID": 1}
    sandbox.add_campaign("c-1", videos=[{"id": "v1", "status": "ready"}], **odd)
    landing_only("track", "klipit", "job_1")
    landing_only("track", "clipus", "c-1")

    assert landing_only("sync").code == 0
    sandbox.add_job("job_2", clips=[{"id": "b", "x": 2}])
    landing_only("track", "klipit", "job_2")
    assert landing_only("sync").code == 0

    assert landing_only.rows("SELECT id, s, x FROM klipit.clips ORDER BY id") == [
        ("a", 1.0, None),
        ("b", None, 2.0),
    ]
    assert landing_only.rows("SELECT count(*) FROM clipus.videos") == [(1,)]
    noted = landing_only.rows(
        """SELECT endpoint, payload->>'column' FROM clipmart.rejected_records
           WHERE reason = 'field' ORDER BY ALL"""
    )
    assert len(noted) == len(names)  # all but `s`, and the campaign's


@pytest.mark.parametrize(("setting", "columns"), [("", 100), ("3", 3)])
def test_three_thousand_unknown_fields_become_a_hundred_columns_and_one_of_json(
    sandbox: Sandbox, landing_only: Clipmart, setting: str, columns: int
) -> None:
    """An object whose keys are ids must not add columns with every record."""
    landing_only.environ["CLIPMART_MAX_COLUMNS"] = setting
    sandbox.add_job("job_1", clips=[{"id": "a", **{f"key_{n:04}": n for n in range(3000)}}])
    sandbox.add_job("job_2", clips=[{"id": "b", "another": True}])
    landing_only("track", "klipit", "job_1", "job_2")

    assert landing_only("sync").code == 0

    undocumented = landing_only.rows(
        """SELECT count(*) FROM duckdb_columns()
           WHERE schema_name = 'klipit' AND table_name = 'clips' AND column_name LIKE 'key_%'"""
    )
    assert undocumented == [(columns,)]
    assert landing_only.rows(
        """SELECT id, json_array_length(json_keys(extra)) FROM klipit.clips ORDER BY id"""
    ) == [("a", 3000 - columns), ("b", 1)]
    assert landing_only.rows(
        "SELECT count(*) FROM clipmart.rejected_records WHERE reason = 'field'"
    ) == [(1,)]


def test_records_of_an_answer_beyond_ten_thousand_are_one_rejection(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Input = loaded + rejected for the records that were read, and one for the rest."""
    sandbox.add_job("job_1", clips=[{"id": f"clip_{n:05}"} for n in range(10_005)])
    landing_only("track", "klipit", "job_1")

    done = landing_only("sync", "--json")

    assert done.code == 1
    service = done.json()["services"]["klipit"]
    assert (service["loaded"]["clips"], service["rejected"]) == (10_000, 1)
    ((reason,),) = landing_only.rows("SELECT reason FROM clipmart.rejected_records")
    assert "10005 records" in reason


def test_a_balance_that_is_not_a_number_lands_nothing_and_stops_nothing(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """`1e999` and 400 digits are JSON; neither is a balance."""
    for body in (b'{"credits": 1e999}', b'{"credits": ' + b"9" * 400 + b"}"):
        sandbox.faults.plan([Fault("answer", "/account", body=body)])
        assert landing_only("sync").code == 0
    assert landing_only.rows("klipit.account_snapshots") == []


def test_a_clip_of_two_jobs_stays_with_the_first_and_is_rejected_for_the_second(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """In one sync and in a later one: no job silently loses a clip."""
    for job in ("job_1", "job_2"):
        sandbox.add_job(job, clips=[{"id": "same"}, {"id": f"of_{job}"}])
    landing_only("track", "klipit", "job_1", "job_2")
    assert landing_only("sync").code == 1
    ((owner,),) = landing_only.rows("SELECT job_id FROM klipit.clips WHERE id = 'same'")

    sandbox.add_job("job_3", clips=[{"id": "same"}])
    landing_only("track", "klipit", "job_3")
    assert landing_only("sync").code == 1

    assert landing_only.rows("SELECT job_id FROM klipit.clips WHERE id = 'same'") == [(owner,)]
    assert landing_only.rows("SELECT count(*) FROM klipit.clips") == [(3,)]
    reasons = landing_only.rows("SELECT DISTINCT reason FROM clipmart.rejected_records")
    assert reasons == [(f"key: id is already that of a clip of {owner}",)]
    assert landing_only.rows("SELECT clips FROM klipit.clip_reads WHERE job_id = 'job_3'") == [(1,)]


def test_the_text_of_a_refusal_is_in_its_reason_without_the_key(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """The status alone would not show a person what to do."""
    detail = [{"loc": ["path", "id"], "msg": "no such form: klipit_sk_sandbox"}]
    sandbox.faults.plan([Fault("answer", "/jobs/job_1", status=422, body={"detail": detail})])
    sandbox.faults.plan([Fault("answer", "*campaigns/c-1", status=410, body={"error": "expired"})])
    landing_only("track", "klipit", "job_1")
    landing_only("track", "clipus", "c-1")
    assert landing_only("sync").code == 1
    assert landing_only.rows("SELECT id, reason FROM clipmart.rejected_records ORDER BY id") == [
        ("c-1", "status: 410: expired"),
        ("job_1", "status: 422: path.id: no such form: ***"),
    ]
