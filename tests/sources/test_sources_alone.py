"""The sources alone, in any dlt pipeline: incremental by dlt's state, on any destination."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from sandbox import Fault, Sandbox
from sources.clipus import clipus_source
from sources.klipit import klipit_source
from sources.shared import resources
from sources.shared.errors import StrangeKey
from tests.support.clipmart import Clipmart

SOURCES: dict[str, Callable[..., Any]] = {"klipit": klipit_source, "clipus": clipus_source}
KEYS = {"klipit": "klipit_sk_sandbox", "clipus": "sk_live_sandbox"}
JOBS, CAMPAIGNS = "/jobs", "/api/v1/campaigns"

Run = Callable[..., list[str]]


@pytest.fixture(params=["duckdb", "filesystem"])
def run(request: pytest.FixtureRequest, tmp_path: Path, sandbox: Sandbox) -> Run:
    """Run a source alone, each time from an empty working folder; returns the requested paths."""
    numbers = count()

    def run_source(name: str, ids: list[str], **arguments: Any) -> list[str]:
        destination: Any = dlt.destinations.filesystem((tmp_path / "files").as_uri())
        if request.param == "duckdb":
            destination = dlt.destinations.duckdb(str(tmp_path / "mine.duckdb"))
        pipeline = dlt.pipeline(
            f"mine_{name}",
            pipelines_dir=str(tmp_path / f"dlt-{next(numbers)}"),
            destination=destination,
            dataset_name=name,
        )
        address = sandbox.klipit_url if name == "klipit" else sandbox.clipus_url
        sandbox.forget_requests()
        pipeline.run(
            SOURCES[name](ids, KEYS[name], base_url=address, minute_seconds=0, **arguments)
        )
        return sorted(request.path for request in sandbox.requests)

    return run_source


def test_a_second_run_requests_no_settled_job(sandbox: Sandbox, run: Run) -> None:
    """Complete with its clips read, failed, or not found: these are not requested again."""
    sandbox.add_job("job_done", clips=2)
    sandbox.add_job("job_failed", status="failed")
    sandbox.add_job("job_open", status="transcribing")
    ids = ["job_done", "job_failed", "job_gone", "job_open"]

    first = run("klipit", ids)
    second = run("klipit", ids)
    sandbox.add_job("job_open", clips=1)
    third = run("klipit", ids)
    fourth = run("klipit", ids)

    assert first == sorted([*(f"{JOBS}/{id_}" for id_ in ids), f"{JOBS}/job_done/clips"])
    assert second == [f"{JOBS}/job_open"]
    assert third == [f"{JOBS}/job_open", f"{JOBS}/job_open/clips"]
    assert fourth == []


def test_a_second_run_requests_no_settled_campaign(sandbox: Sandbox, run: Run) -> None:
    """Failed, or finished with every video published or failed."""
    published = {"id": "v1", "published_at": "2026-04-08T11:00:00Z"}
    sandbox.add_campaign("c-done", videos=[published, {"id": "v2", "status": "failed"}])
    sandbox.add_campaign("c-failed", status="failed")
    sandbox.add_campaign("c-unpublished", videos=[published, {"id": "v2"}])
    sandbox.add_campaign("c-rendering", status="rendering")
    ids = ["c-done", "c-failed", "c-rendering", "c-unpublished"]

    assert run("clipus", ids) == [f"{CAMPAIGNS}/{id_}" for id_ in ids]
    assert run("clipus", ids) == [f"{CAMPAIGNS}/c-rendering", f"{CAMPAIGNS}/c-unpublished"]


def test_a_finished_campaign_is_settled_after_14_days(sandbox: Sandbox, run: Run) -> None:
    """Its unpublished video is not waited for any longer."""
    now = sandbox.clock.now()
    for id_, days in (("c-13-days", 13), ("c-14-days", 14)):
        created_at = now - timedelta(days=days)
        sandbox.add_campaign(id_, videos=[{"id": "v1"}], created_at=created_at)
    run("clipus", ["c-13-days", "c-14-days"])

    assert run("clipus", ["c-13-days", "c-14-days"]) == [f"{CAMPAIGNS}/c-13-days"]


def test_a_run_that_fails_settles_nothing(sandbox: Sandbox, run: Run) -> None:
    """Nothing of it landed, so the next run requests all its ids again."""
    sandbox.add_job("job_failed", status="failed")
    sandbox.add_job("job_open", status="queued")
    sandbox.faults.plan([Fault("answer", "/jobs/job_open", status=401)])
    with pytest.raises(PipelineStepFailed):
        run("klipit", ["job_failed", "job_open"])

    assert run("klipit", ["job_failed", "job_open"]) == [
        f"{JOBS}/job_failed",
        f"{JOBS}/job_open",
    ]


def test_refresh_requests_settled_ids_too(sandbox: Sandbox, run: Run) -> None:
    """With `refresh`, a complete job and its clips are read again."""
    sandbox.add_job("job_done", clips=1)
    run("klipit", ["job_done"])

    assert run("klipit", ["job_done"], refresh=True) == [
        f"{JOBS}/job_done",
        f"{JOBS}/job_done/clips",
    ]


def test_another_accounts_key_settles_nothing(sandbox: Sandbox, run: Run) -> None:
    """Twenty 404s and nothing else end the run; once the right jobs exist, they are requested."""
    ids = [f"job_{number:02}" for number in range(20)]
    with pytest.raises(PipelineStepFailed) as failed:
        run("klipit", ids)
    assert isinstance(failed.value.__cause__.__cause__, StrangeKey)  # type: ignore[union-attr]

    for id_ in ids:
        sandbox.add_job(id_, status="queued")
    assert len(run("klipit", ids)) == 20


def test_a_source_alone_and_a_sync_land_through_the_same_resources(
    sandbox: Sandbox, run: Run, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resource that no destination can load breaks both."""
    sandbox.add_job("job_1", clips=1)
    hints = resources.resource_hints
    monkeypatch.setattr(
        resources, "resource_hints", lambda table: {**hints(table), "primary_key": ("nowhere",)}
    )
    landing_only("track", "klipit", "job_1")

    with pytest.raises(PipelineStepFailed):
        run("klipit", ["job_1"])
    synced = landing_only("sync")

    assert synced.code != 0
    assert landing_only.rows("klipit.clips") == []
