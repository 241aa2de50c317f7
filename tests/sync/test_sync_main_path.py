"""A sync from tracked ids to the published file."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from pipelines.landing.loader import Loader
from sandbox import Sandbox
from sources.shared.chunks import Chunk
from tests.support.clipmart import Clipmart


def test_tracked_ids_become_rows_with_their_clips_and_videos(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """One job with two clips and one campaign with a video land as the API returns them."""
    sandbox.add_job(
        "job_1",
        duration_seconds=3842.5,
        created_at="2026-04-08T11:00:00Z",
        completed_at="2026-04-08T11:04:12Z",
        clips=[
            {"id": "clip_b", "moment_type": "how_to", "shareability_score": 94.5, "reason": None},
            {"id": "clip_a", "moment_type": "völlig_neu", "shareability_score": None},
        ],
    )
    sandbox.add_campaign(
        "c-1",
        status="rendering",
        url="https://saas.example",
        title=None,
        languages=["en", "日本"],
        created_at="2026-04-08T11:30:00Z",
        videos=[{"id": "v1", "platform": "youtube", "status": "ready", "duration_seconds": 30}],
    )
    clipmart("track", "klipit", "job_1")
    clipmart("track", "clipus", "c-1")

    done = clipmart("sync")

    assert done.code == 0
    assert clipmart.rows(
        "SELECT id, status, clip_count, duration_seconds, created_at::VARCHAR FROM klipit.jobs"
    ) == [("job_1", "complete", 2, 3842.5, "2026-04-08 11:00:00+00")]
    assert clipmart.rows(
        "SELECT id, job_id, moment_type, shareability_score FROM klipit.clips ORDER BY id"
    ) == [("clip_a", "job_1", "völlig_neu", None), ("clip_b", "job_1", "how_to", 94.5)]
    ((campaign, title, languages),) = clipmart.rows(
        "SELECT campaign_id, title, languages FROM clipus.campaigns"
    )
    assert (campaign, title, json.loads(languages)) == ("c-1", None, ["en", "日本"])
    assert clipmart.rows("SELECT campaign_id, id, platform, status FROM clipus.videos") == [
        ("c-1", "v1", "youtube", "ready")
    ]


def test_a_first_sync_without_any_id_lands_the_balance(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """Nothing is tracked and nothing has landed: the account is reported all the same."""
    sandbox.balance = 42

    assert clipmart("sync").code == 0

    assert clipmart.rows("SELECT balance FROM klipit.account_snapshots") == [(42.0,)]


def test_a_second_sync_requests_no_settled_id_and_leaves_the_file_unchanged(
    sandbox: Sandbox, prepared: Clipmart
) -> None:
    """Only the account is requested again; the published file is the same byte for byte."""
    sandbox.add_job("job_1", clips=2)
    sandbox.add_job("job_2", status="failed", error="no speech found")
    sandbox.add_job("job_3", clips=0)
    prepared("track", "klipit", "job_1", "job_2", "job_3")
    prepared("sync")
    before = hashlib.sha256(prepared.warehouse.read_bytes()).hexdigest()
    sandbox.forget_requests()

    second = prepared("sync", "--json").json()

    assert [request.path for request in sandbox.requests] == ["/account"]
    assert second["published"] is False
    assert second["services"]["klipit"]["due"] == 0
    assert hashlib.sha256(prepared.warehouse.read_bytes()).hexdigest() == before


def test_the_run_log_is_loaded_by_the_next_sync_that_lands(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """`clipmart.sync_runs` has the runs that had finished before."""
    sandbox.add_job("job_1", clips=2)
    landing_only("track", "klipit", "job_1")
    first = landing_only("sync", "--json").json()
    idle = landing_only("sync", "--json").json()
    sandbox.add_job("job_2", clips=1)
    landing_only("track", "klipit", "job_2")
    landing_only("sync")

    runs = landing_only.rows("SELECT run_id, exit_code, rows FROM clipmart.sync_runs ORDER BY rows")

    landed = sum(first["services"]["klipit"]["loaded"].values())
    assert [run[0] for run in runs[:1]] == [idle["run_id"]]
    assert runs[1:] == [(first["run_id"], 0, landed)]


def test_an_empty_answer_removes_clips_and_a_new_one_replaces_them(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Clips that are not in the latest answer are removed."""
    sandbox.add_job("job_1", clips=[{"id": "a"}, {"id": "b"}])
    sandbox.add_job("job_2", clips=[{"id": "c"}])
    landing_only("track", "klipit", "job_1", "job_2")
    landing_only("sync")
    sandbox.set_clips("job_1", [{"id": "b"}, {"id": "d"}])
    sandbox.set_clips("job_2", [])

    landing_only("sync", "--refresh", "job_1", "--refresh", "job_2")

    assert landing_only.rows("SELECT id FROM klipit.clips ORDER BY id") == [("b",), ("d",)]
    assert landing_only.rows("SELECT job_id, clips FROM klipit.clip_reads ORDER BY job_id") == [
        ("job_1", 2),
        ("job_2", 0),
    ]


def test_the_plan_lands_with_the_first_campaign_whose_answer_reports_it(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When both have landed, no request would report it again, so a kill loses nothing."""
    for campaign in ("c-1", "c-2"):
        sandbox.add_campaign(campaign, status="completed", videos=[{"id": "v1", "status": "ready"}])
    landing_only("track", "clipus", "c-1", "c-2")
    monkeypatch.setattr("pipelines.sync.writer.CHUNK_IDS", 1)
    loaded: list[Any] = []
    load = Loader.load_chunk

    def dies_at_the_second(self: Loader, schema: str, chunk: Chunk) -> dict[str, int]:
        if loaded:
            raise MemoryError
        loaded.append(schema)
        return load(self, schema, chunk)

    monkeypatch.setattr(Loader, "load_chunk", dies_at_the_second)
    with pytest.raises(MemoryError):
        landing_only("sync", "clipus")

    assert landing_only.rows("SELECT count(*) FROM clipus.campaigns") == [(1,)]
    assert landing_only.rows("SELECT count(*) FROM clipus.plan_observations") == [(1,)]


def test_an_observation_is_recorded_when_a_status_changes(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Three polls of two statuses are two observations."""
    sandbox.add_job("job_1", status="queued", created_at="2026-04-08T12:00:00Z")
    landing_only("track", "klipit", "job_1")
    for minute, status in ((0, "queued"), (1, "queued"), (2, "clipping")):
        sandbox.clock.set(f"2026-04-08T12:0{minute}:00Z")
        landing_only.at(f"2026-04-08T12:0{minute}:00Z")
        sandbox.update_job("job_1", status=status)
        assert landing_only("sync").code == 0

    assert landing_only.rows(
        "SELECT status, observed_at::VARCHAR FROM klipit.job_observations ORDER BY observed_at"
    ) == [("queued", "2026-04-08 12:00:00+00"), ("clipping", "2026-04-08 12:02:00+00")]


def test_a_balance_lands_when_it_changes_and_once_a_day(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Same day and balance: one snapshot. A change or a new day: another."""
    for instant, balance in (
        ("2026-04-08T12:00:00Z", 50),
        ("2026-04-08T13:00:00Z", 50),
        ("2026-04-08T14:00:00Z", 49.5),
        ("2026-04-09T00:00:00Z", 49.5),
    ):
        sandbox.clock.set(instant)
        landing_only.at(instant)
        sandbox.balance = balance
        landing_only("sync")

    assert landing_only.rows(
        "SELECT observed_at::VARCHAR, balance, origin FROM klipit.account_snapshots ORDER BY 1"
    ) == [
        ("2026-04-08 12:00:00+00", 50.0, "api"),
        ("2026-04-08 14:00:00+00", 49.5, "api"),
        ("2026-04-09 00:00:00+00", 49.5, "api"),
    ]


def test_a_service_without_a_key_has_empty_tables(sandbox: Sandbox, prepared: Clipmart) -> None:
    """With Klipit alone, every Clipus table and report exists."""
    del prepared.environ["CLIPUS_API_KEY"]
    sandbox.add_job("job_1", clips=1)
    prepared("track", "klipit", "job_1")

    assert prepared("sync").code == 0
    assert prepared.rows("clipus.videos") == []
    assert prepared.rows("reports.video_readiness") == []


def test_tracked_metadata_reaches_the_report(sandbox: Sandbox, prepared: Clipmart) -> None:
    """The show comes from the import alone; a later import adds the guest."""
    sandbox.add_job("job_1", clips=1)
    prepared("track", "klipit", "--from", "-", stdin="job_id,show_name\njob_1,Über Ton\n")
    prepared("sync")
    prepared("track", "klipit", "--from", "-", stdin="\ufeffjob_id,guest_name\njob_1,Ana\n")
    prepared("sync")

    assert prepared.rows("SELECT show_name, guest_name FROM reports.shareability") == [
        ("Über Ton", "Ana")
    ]


def test_several_ids_after_refresh_are_all_requested(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Settled or not; a word that is neither a service nor a tracked id is an error."""
    for job in ("job_1", "job_2", "job_3"):
        sandbox.add_job(job, clips=1)
    landing_only("track", "klipit", "job_1", "job_2", "job_3")
    landing_only("sync")
    sandbox.forget_requests()

    assert landing_only("sync", "klipit", "--refresh", "job_1", "job_3").code == 0

    polled = {
        request.path.split("/")[2] for request in sandbox.requests if "/jobs/" in request.path
    }
    assert polled == {"job_1", "job_3"}
    assert landing_only("sync", "job_1").code == 2


@pytest.mark.parametrize("ids", [5, 6])
def test_the_inbox_lands_in_several_loads(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch, ids: int
) -> None:
    """Events beyond what is held in memory at once land in the same sync, each exactly once."""
    monkeypatch.setattr("pipelines.landing.loader.EVENTS_AT_ONCE", 2)
    wanted = [f"job_{number}" for number in range(ids)]
    for id_ in wanted:
        sandbox.add_job(id_, clips=0)
    landing_only("track", "klipit", *wanted)

    assert landing_only("sync").code == 0
    rows = landing_only.rows("SELECT job_id FROM klipit.submissions ORDER BY job_id")
    assert rows == [(id_,) for id_ in wanted]
