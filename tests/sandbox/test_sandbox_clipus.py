"""The sandbox's Clipus answers as the Clipus reference describes them."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx
import pytest

from sandbox import Sandbox, believable
from sandbox.accounts import CLIPUS_KEY

CAMPAIGNS = "/api/v1/campaigns"
PAGE = {"url": "https://good.example/"}
NIL = str(uuid.UUID(int=0))


def assert_headers(
    answer: httpx.Response,
    plan: str = "growth",
    limit: str = "60",
    scopes: str = "campaigns:create",
) -> None:
    assert answer.headers["x-ratelimit-plan"] == plan
    assert answer.headers["x-ratelimit-limit"] == limit
    assert answer.headers["x-clipus-api-scopes"] == scopes


def test_a_campaign_is_created_with_the_documented_defaults(
    sandbox: Sandbox, clipus: httpx.Client
) -> None:
    """The answer has both ids and collecting; languages and title default as documented."""
    answer = clipus.post(CAMPAIGNS, json=PAGE)
    assert answer.status_code == 200
    assert answer.json().keys() == {"success", "campaign_id", "job_id", "status"}
    assert answer.json()["success"] is True
    assert_headers(answer)
    campaign_id = answer.json()["campaign_id"]
    assert str(uuid.UUID(campaign_id)) == campaign_id
    assert clipus.get(f"{CAMPAIGNS}/{campaign_id}").json() == {
        "success": True,
        "campaign_id": campaign_id,
        "status": "collecting",
        "url": "https://good.example/",
        "title": "good.example",
        "languages": ["en", "ja", "ko"],
        "created_at": "2026-04-08T12:00:00Z",
        "videos": [],
    }


def test_videos_become_ready_one_after_another(sandbox: Sandbox, clipus: httpx.Client) -> None:
    """No video has a file before it is ready, and ready ones only grow in number."""
    path = f"{CAMPAIGNS}/{clipus.post(CAMPAIGNS, json=PAGE).json()['campaign_id']}"
    statuses, ready = [], []
    for _ in range(120):
        campaign = clipus.get(path).json()
        statuses.append(campaign["status"])
        for video in campaign["videos"]:
            assert (video["file_url"] is not None) == (video["status"] == "ready")
        ready.append(sum(video["status"] == "ready" for video in campaign["videos"]))
        sandbox.clock.advance(seconds=15)
    assert list(dict.fromkeys(statuses)) == ["collecting", "rendering", "completed"]
    assert ready == sorted(ready)
    assert len(set(ready)) == ready[-1] + 1


def test_publication_comes_later_or_never(sandbox: Sandbox, clipus: httpx.Client) -> None:
    """published_at is set after the campaign ended, for some of the videos."""
    published = []
    for number in range(10):
        body = {"url": f"https://good.example/{number}", "languages": ["en"]}
        path = f"{CAMPAIGNS}/{clipus.post(CAMPAIGNS, json=body).json()['campaign_id']}"
        sandbox.clock.advance(hours=24 * 9)
        published += [video["published_at"] for video in clipus.get(path).json()["videos"]]
    assert any(published)
    assert not all(published)


@pytest.mark.parametrize(
    ("host", "status", "pending"),
    [
        ("failing.example", "failed", 0),
        ("stuck.example", "rendering", 1),
        ("straggling.example", "completed", 1),
    ],
)
def test_some_hosts_decide_how_a_campaign_ends(
    sandbox: Sandbox, clipus: httpx.Client, host: str, status: str, pending: int
) -> None:
    """Named hosts fail, hang, or complete with a video that never becomes ready."""
    body = {"url": f"https://{host}/", "languages": ["en", "ko"]}
    path = f"{CAMPAIGNS}/{clipus.post(CAMPAIGNS, json=body).json()['campaign_id']}"
    sandbox.clock.advance(hours=48)
    campaign = clipus.get(path).json()
    assert campaign["status"] == status
    assert sum(video["status"] == "rendering" for video in campaign["videos"]) == pending


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"url": "good.example"}', 400),
        (b'{"url": 5}', 400),
        (b'{"url": "https://good.example/", "languages": ["a", "b", "c", "d", "e"]}', 400),
        (b'{"url": "https://good.example/", "languages": "en"}', 400),
        (b'{"url": "https://good.example/", "title": 1}', 400),
        (b'{"url": "https://good.example/", "webhook_url": "nowhere"}', 400),
        (b'{"url": "https://blocked.example/login"}', 422),
    ],
)
def test_an_invalid_campaign_is_refused(
    sandbox: Sandbox, clipus: httpx.Client, body: bytes, status: int
) -> None:
    """Errors have success false, a text and the rate headers; no campaign is created."""
    answer = clipus.post(CAMPAIGNS, content=body)
    assert answer.status_code == status
    assert answer.json()["success"] is False
    assert isinstance(answer.json()["error"], str)
    assert_headers(answer)
    assert sandbox.campaigns == {}


def test_both_ways_to_send_the_key_work(sandbox: Sandbox, clipus: httpx.Client) -> None:
    """A bearer token and X-API-Key are the same to the server."""
    sandbox.add_campaign("c-1")
    del clipus.headers["x-api-key"]
    bearer = {"authorization": f"Bearer {CLIPUS_KEY}"}
    assert clipus.get(f"{CAMPAIGNS}/c-1", headers=bearer).status_code == 200
    assert clipus.get(f"{CAMPAIGNS}/c-1", headers={"x-api-key": CLIPUS_KEY}).status_code == 200


def test_a_client_like_the_vendors_creates_polls_and_checks_its_key(
    sandbox: Sandbox, clipus: httpx.Client
) -> None:
    """X-API-Key on every request; the headers of a 404 for the nil UUID show that the key works."""
    created = clipus.post(CAMPAIGNS, json={**PAGE, "languages": ["en"]}).json()
    assert created["success"] and created["campaign_id"] and created["job_id"]
    assert created["status"] == "collecting"
    assert clipus.get(f"{CAMPAIGNS}/{created['campaign_id']}").json()["success"]
    checked = clipus.get(f"{CAMPAIGNS}/{NIL}")
    assert checked.status_code == 404
    assert checked.json() == {"success": False, "error": "Campaign not found."}
    assert_headers(checked)
    assert [arrival.key for arrival in sandbox.requests] == ["clipus"] * 3


def test_missing_and_unknown_keys_are_401(sandbox: Sandbox, clipus: httpx.Client) -> None:
    """The three headers are there too; they name no plan."""
    del clipus.headers["x-api-key"]
    for headers in ({}, {"x-api-key": "sk_live_other"}, {"x-api-key": "klipit_sk_sandbox"}):
        answer = clipus.get(f"{CAMPAIGNS}/{NIL}", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["success"] is False
        assert_headers(answer, "none", "0", "")


def test_a_plan_without_the_api_is_403(sandbox: Sandbox, clipus: httpx.Client) -> None:
    """The starter plan's key is known but has no rights."""
    sandbox.add_clipus_key("sk_live_starter", plan="starter")
    answer = clipus.get(f"{CAMPAIGNS}/{NIL}", headers={"x-api-key": "sk_live_starter"})
    assert answer.status_code == 403
    assert_headers(answer, "starter", "10")


def test_a_larger_plan_allows_more_languages(sandbox: Sandbox, clipus: httpx.Client) -> None:
    """Eight languages, which Growth refuses, are accepted on Scale."""
    sandbox.add_clipus_key("sk_live_scale", plan="scale")
    body = {**PAGE, "languages": list("abcdefgh")}
    assert clipus.post(CAMPAIGNS, json=body).status_code == 400
    answer = clipus.post(CAMPAIGNS, json=body, headers={"x-api-key": "sk_live_scale"})
    assert answer.status_code == 200
    assert_headers(answer, "scale", "120")


def test_a_campaign_that_would_exceed_the_quota_is_refused_whole(
    sandbox: Sandbox, clipus: httpx.Client
) -> None:
    """58 of 60 videos are used: one more fits, three do not, and the refusal uses none."""
    sandbox.videos_used["sandbox", f"{sandbox.clock.now():%Y-%m}"] = 58
    url = next(
        url
        for url in (f"https://product1.example/{n}" for n in range(100))
        if len(believable.launch(sandbox.seed, url).platforms) == 1
    )
    answer = clipus.post(CAMPAIGNS, json={"url": url, "languages": ["en", "ja", "ko"]})
    assert (answer.status_code, answer.json()["error"]) == (429, "Monthly limit reached (58/60).")
    answer = clipus.post(CAMPAIGNS, json={"url": url, "languages": ["en", "ja"]})
    assert answer.status_code == 200
    assert sandbox.videos_used["sandbox", f"{sandbox.clock.now():%Y-%m}"] == 60


def test_the_monthly_quota_refuses_until_the_month_ends(
    sandbox: Sandbox, clipus: httpx.Client
) -> None:
    """The quota's 429 says so in its text, does not count, and ends with the month."""
    sandbox.set_plan("growth", videos_per_month=10)
    page = {**PAGE, "languages": ["en"]}
    videos = len(believable.launch(sandbox.seed, PAGE["url"]).platforms)
    sandbox.videos_used["sandbox", "2026-04"] = 10 - videos
    assert clipus.post(CAMPAIGNS, json=page).status_code == 200
    answer = clipus.post(CAMPAIGNS, json=page)
    assert answer.status_code == 429
    assert answer.json()["error"] == "Monthly limit reached (10/10)."
    assert_headers(answer)
    sandbox.clock.set("2026-05-01T00:00:00Z")
    assert clipus.post(CAMPAIGNS, json=PAGE).status_code == 200


def test_the_rate_limit_follows_the_plan_at_once(sandbox: Sandbox, clipus: httpx.Client) -> None:
    """The header of the next answer has the new limit, and the window follows it."""
    sandbox.limits.minute_seconds = 60
    sandbox.set_plan("growth", requests_per_minute=3)
    answers = [clipus.get(f"{CAMPAIGNS}/{NIL}") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
    assert_headers(answers[-1], limit="3")
    sandbox.set_plan("growth", requests_per_minute=5)
    answers = [clipus.get(f"{CAMPAIGNS}/{NIL}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert_headers(answers[0], limit="5")


def test_a_refusal_has_retry_after_if_configured(sandbox: Sandbox, clipus: httpx.Client) -> None:
    """Retry-After is undocumented, so it is sent only on request."""
    sandbox.limits.minute_seconds = 60
    sandbox.set_plan("growth", requests_per_minute=0)
    assert "retry-after" not in clipus.get(f"{CAMPAIGNS}/{NIL}").headers
    sandbox.retry_after = True
    assert clipus.get(f"{CAMPAIGNS}/{NIL}").headers["retry-after"] == "60"


def test_a_campaign_exists_although_its_client_gave_up(
    sandbox: Sandbox, clipus: httpx.Client
) -> None:
    """The POST can stay open; after a time-out nobody knows the id of the campaign."""
    sandbox.campaign_open_seconds = 0.3
    with pytest.raises(httpx.ReadTimeout):
        clipus.post(CAMPAIGNS, json=PAGE, timeout=0.05)
    (campaign_id,) = sandbox.campaigns
    assert clipus.get(f"{CAMPAIGNS}/{campaign_id}").status_code == 200
    started = time.monotonic()
    assert clipus.post(CAMPAIGNS, json=PAGE).status_code == 200
    assert time.monotonic() - started >= 0.3


def test_any_field_of_a_campaign_can_be_overridden(sandbox: Sandbox, clipus: httpx.Client) -> None:
    """Raw videos, new fields and wrong types reach the client."""
    sandbox.add_campaign("c-1", videos=[{"id": "v1", "odd": [1]}], title=None)
    assert clipus.get(f"{CAMPAIGNS}/c-1").json()["videos"] == [{"id": "v1", "odd": [1]}]
    sandbox.update_campaign("c-1", videos="soon", without=["url"])
    campaign = clipus.get(f"{CAMPAIGNS}/c-1").json()
    assert campaign["videos"] == "soon"
    assert campaign["title"] is None
    assert "url" not in campaign


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", CAMPAIGNS, 405), ("DELETE", f"{CAMPAIGNS}/{NIL}", 405), ("GET", "/api/v2", 404)],
)
def test_other_paths_and_methods_are_refused_with_the_headers(
    sandbox: Sandbox, clipus: httpx.Client, method: str, path: Any, status: int
) -> None:
    """There is no list endpoint; every answer has the headers."""
    answer = clipus.request(method, path)
    assert answer.status_code == status
    assert_headers(answer)
