"""The sandbox's Klipit answers as the Klipit reference describes them."""

from __future__ import annotations

import itertools
import re
from typing import Any

import httpx
import pytest

from sandbox import Sandbox, running
from sandbox.accounts import KLIPIT_KEY

GOOD = {"source_url": "https://good.example/1.mp3", "show_name": "Über Gründer"}


def test_a_submission_is_answered_with_a_queued_job(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """POST /jobs returns id, status and created_at, and nothing of the submission."""
    answer = klipit.post("/jobs", json=GOOD)
    assert answer.status_code == 201
    assert answer.json().keys() == {"id", "status", "created_at"}
    assert re.fullmatch(r"job_01[0-9a-z]{24}", answer.json()["id"])
    assert answer.json()["status"] == "queued"
    assert answer.json()["created_at"] == "2026-04-08T12:00:00Z"


def test_a_job_progresses_with_the_domain_clock(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """A job is queued, transcribing, clipping, then complete with its count and instant."""
    job_id = klipit.post("/jobs", json=GOOD).json()["id"]
    seen = []
    for _ in range(60):
        job = klipit.get(f"/jobs/{job_id}").json()
        seen.append(job["status"])
        sandbox.clock.advance(seconds=10)
    assert [status for status, _ in itertools.groupby(seen)] == [
        "queued",
        "transcribing",
        "clipping",
        "complete",
    ]
    assert job.keys() == {
        "id",
        "status",
        "clip_count",
        "duration_seconds",
        "created_at",
        "completed_at",
    }
    clips = klipit.get(f"/jobs/{job_id}/clips").json()["clips"]
    assert job["clip_count"] == len(clips) > 0


def test_a_failed_job_has_an_error_and_no_clips(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """A failing source ends as failed with an error text; its clips are a conflict."""
    job_id = klipit.post("/jobs", json={"source_url": "https://failing.example/1"}).json()["id"]
    sandbox.clock.advance(hours=1)
    job = klipit.get(f"/jobs/{job_id}").json()
    assert job["status"] == "failed"
    assert job["error"]
    assert klipit.get(f"/jobs/{job_id}/clips").status_code == 409


def test_a_silent_episode_completes_without_clips(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """A complete job may have an empty list of clips."""
    job_id = klipit.post("/jobs", json={"source_url": "https://silent.example/1"}).json()["id"]
    sandbox.clock.advance(hours=1)
    assert klipit.get(f"/jobs/{job_id}").json()["clip_count"] == 0
    assert klipit.get(f"/jobs/{job_id}/clips").json() == {"clips": []}


def test_clips_come_best_first_and_unscored_last(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """Clips are sorted by score, descending; unscored clips follow."""
    scores = [50, None, 94.5, 70]
    clips = [{"id": f"clip_{n}", "shareability_score": score} for n, score in enumerate(scores)]
    sandbox.add_job("job_1", clips=clips)
    sandbox.rescore("job_1", {"clip_0": 99})
    answer = klipit.get("/jobs/job_1/clips").json()["clips"]
    assert [clip["shareability_score"] for clip in answer] == [99, 94.5, 70, None]


@pytest.mark.parametrize("clips", [None, {"odd": 1}, ["text"], [{"shareability_score": "high"}]])
def test_clips_of_any_shape_are_served_as_given(
    sandbox: Sandbox,
    klipit: httpx.Client,
    clips: dict[str, Any] | list[dict[str, Any]] | list[str] | None,
) -> None:
    """For tests of drift: nothing is corrected."""
    sandbox.add_job("job_1", clips=clips)
    assert klipit.get("/jobs/job_1/clips").json() == {"clips": clips}


def test_any_field_of_a_job_can_be_overridden_or_left_out(
    sandbox: Sandbox, klipit: httpx.Client
) -> None:
    """Wrong types, new fields and missing fields reach the client."""
    sandbox.add_job("job_1", mood={"tags": ["é", None]}, without=["completed_at"])
    sandbox.update_job("job_1", clip_count="four")
    job = klipit.get("/jobs/job_1").json()
    assert job["mood"] == {"tags": ["é", None]}
    assert job["clip_count"] == "four"
    assert "completed_at" not in job
    sandbox.remove_job("job_1")
    assert klipit.get("/jobs/job_1").status_code == 404


def test_an_upload_is_counted_and_becomes_a_job(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """A multipart `file` becomes a job; its size and its text fields are recorded."""
    answer = klipit.post(
        "/jobs",
        files={"file": ("épisode.mp3", b"\0" * 3_000_000)},
        data={"show_name": "Café", "platforms": ["tiktok", "reels"]},
    )
    assert answer.status_code == 201
    assert sandbox.jobs[answer.json()["id"]].submission == {
        "file": "épisode.mp3",
        "file_bytes": 3_000_000,
        "show_name": "Café",
        "platforms": ["tiktok", "reels"],
    }


def test_an_upload_over_the_limit_is_refused(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """413, and nothing is charged."""
    sandbox.upload_limit_bytes = 1000
    answer = klipit.post("/jobs", files={"file": ("a.mp3", b"\0" * 100_000)})
    assert answer.status_code == 413
    assert sandbox.credit_changes == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[1]", 400),
        (b"{}", 422),
        (b'{"source_url": "ftp://x"}', 422),
        (b'{"source_url": "https://[x"}', 422),
        (b'{"source_url": "https://good.example/", "show_name": 5}', 422),
        (b'{"source_url": "https://good.example/", "platforms": "tiktok"}', 422),
        (b'{"file": "a.mp3"}', 422),
    ],
)
def test_an_invalid_submission_is_refused_in_klipits_error_shape(
    sandbox: Sandbox, klipit: httpx.Client, body: bytes, status: int
) -> None:
    """A body that is not JSON is 400, one with wrong fields 422; no job is created."""
    answer = klipit.post("/jobs", content=body)
    assert answer.status_code == status
    assert answer.json()["error"].keys() == {"code", "message"}
    assert sandbox.jobs == {}


@pytest.mark.parametrize(
    "form",
    [b"--x\r\nnonsense", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'],
)
def test_an_invalid_form_is_refused(sandbox: Sandbox, klipit: httpx.Client, form: bytes) -> None:
    """A form that cannot be read, or has no file, is a 4xx."""
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert klipit.post("/jobs", content=form, headers=headers).status_code in (400, 422)


@pytest.mark.parametrize(
    "key", [None, "Bearer klipit_sk_other", "Bearer sk_live_sandbox", "Basic x"]
)
def test_other_keys_are_refused(sandbox: Sandbox, klipit: httpx.Client, key: str | None) -> None:
    """401 without a key, with an unknown one, and with the other service's."""
    klipit.headers.pop("authorization")
    answer = klipit.get("/jobs/job_1", headers={"authorization": key} if key else {})
    assert answer.status_code == 401


def test_a_key_without_the_scope_is_refused(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """403 names the missing scope."""
    sandbox.add_klipit_key("klipit_sk_reader", scopes=["jobs:read"])
    sandbox.add_job("job_1")
    klipit.headers["authorization"] = "Bearer klipit_sk_reader"
    assert klipit.get("/jobs/job_1").status_code == 200
    for method, path, scope in [
        ("GET", "/jobs/job_1/clips", "clips:read"),
        ("POST", "/jobs", "jobs:create"),
        ("POST", "/jobs/job_1/export", "exports:create"),
        ("GET", "/account", "account:read"),
    ]:
        answer = klipit.request(method, path)
        assert answer.status_code == 403
        assert scope in answer.json()["error"]["message"]


def test_an_account_sees_only_its_own_jobs(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """Another account's id is 404."""
    sandbox.add_klipit_key("klipit_sk_else", account="else")
    sandbox.add_job("job_1")
    klipit.headers["authorization"] = "Bearer klipit_sk_else"
    assert klipit.get("/jobs/job_1").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs/none", 404),
        ("GET", "/jobs/none/clips", 404),
        ("POST", "/jobs/none/export", 404),
        ("GET", "/elsewhere", 404),
        ("GET", "/jobs", 405),
        ("DELETE", "/jobs/none", 405),
    ],
)
def test_unknown_ids_paths_and_methods(
    sandbox: Sandbox, klipit: httpx.Client, method: str, path: str, status: int
) -> None:
    """There is no list endpoint, and an unknown id is 404."""
    assert klipit.request(method, path).status_code == status


def test_a_job_costs_credits_until_there_are_none(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """Every submission is charged, every change is recorded, an empty account gets 402."""
    sandbox.balance = 12
    while (answer := klipit.post("/jobs", json=GOOD)).status_code == 201:
        balance = klipit.get("/account").json()["credits"]["balance"]
        assert balance == sandbox.balance == sandbox.credit_changes[-1].balance
    assert answer.status_code == 402
    sandbox.top_up(100)
    assert klipit.post("/jobs", json=GOOD).status_code == 201
    changes = sandbox.credit_changes
    assert 150 + sum(change.amount for change in changes) == pytest.approx(sandbox.balance)
    assert [change.reason for change in changes if change.amount > 0] == ["top-up"]


def test_an_export_is_not_ready_then_ready_then_expires(
    sandbox: Sandbox, klipit: httpx.Client
) -> None:
    """The first answer has no link, a later one has; after a day a new export is needed."""
    sandbox.add_job("job_1", clips=1)
    wanted = {"format": "zip", "platform": "reels"}
    first = klipit.post("/jobs/job_1/export", json=wanted)
    assert first.status_code == 202
    assert "export_url" not in first.json()
    sandbox.clock.advance(minutes=2)
    ready = klipit.post("/jobs/job_1/export", json=wanted).json()
    assert ready.keys() == {"export_url", "expires_at"}
    assert ready["expires_at"] == "2026-04-09T12:00:00Z"
    link = klipit.build_request("GET", ready["export_url"], headers={"authorization": ""})
    assert klipit.send(link).status_code == 200
    assert sandbox.requests[-1].service == "files"
    sandbox.clock.advance(hours=24)
    assert klipit.send(link).status_code == 410
    assert klipit.post("/jobs/job_1/export", json=wanted).status_code == 202


def test_a_download_link_shows_whether_a_key_came_with_it(
    sandbox: Sandbox, klipit: httpx.Client
) -> None:
    """The log names the key that a careless client sends to a link's host."""
    klipit.get(f"{sandbox.url}/files/job_1/all.mp4")
    assert sandbox.requests[-1].key == "klipit"


def test_an_export_of_an_unknown_kind_is_refused(sandbox: Sandbox, klipit: httpx.Client) -> None:
    """Format and platform are closed lists; a running job has nothing to export."""
    sandbox.add_job("job_1", clips=1)
    sandbox.add_job("job_2", status="clipping")
    assert klipit.post("/jobs/job_1/export", json={"format": "avi"}).status_code == 422
    assert klipit.post("/jobs/job_1/export", json={"platform": ["x"]}).status_code == 422
    assert klipit.post("/jobs/job_1/export").status_code == 202
    assert klipit.post("/jobs/job_2/export").status_code == 409


@pytest.mark.parametrize(
    ("path", "limit"), [("/jobs/job_1", 60), ("/jobs/job_1/clips", 120), ("/account", None)]
)
def test_reads_are_limited_as_documented(
    klipit: httpx.Client, sandbox: Sandbox, path: str, limit: int | None
) -> None:
    """60 polls and 120 clip reads in a minute, then 429; the account is not limited."""
    sandbox.limits.minute_seconds = 60
    sandbox.add_job("job_1", clips=1)
    answered = [klipit.get(path).status_code for _ in range((limit or 150) + 1)]
    assert answered == [200] * (limit or 151) + [429] * bool(limit)


def test_submissions_are_limited_as_documented(klipit: httpx.Client, sandbox: Sandbox) -> None:
    """Ten submissions in a minute; the eleventh is 429 and costs nothing."""
    sandbox.limits.minute_seconds = 60
    answered = [klipit.post("/jobs", json=GOOD).status_code for _ in range(11)]
    assert answered == [201] * 10 + [429]
    assert len(sandbox.credit_changes) == 10


def test_the_same_seed_and_submissions_give_the_same_answers() -> None:
    """Two servers with one seed answer alike to the byte; another seed gives other ids."""
    answers = []
    for seed in (7, 7, 8):
        with running(Sandbox(seed=seed, now="2026-04-08T12:00:00Z", minute_seconds=0)) as served:
            served.add_job("job_1", clips=3)
            job_id = served.submit_job(GOOD)
            served.clock.advance(hours=1)
            headers = {"authorization": f"Bearer {KLIPIT_KEY}"}
            answers.append(
                httpx.get(f"{served.klipit_url}/jobs/{job_id}/clips", headers=headers).text
            )
    assert answers[0] == answers[1] != answers[2]
