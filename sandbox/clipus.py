"""Clipus's API: campaigns.

Source: Clipus reference. Undocumented, so chosen here: the text of errors, that every
request with a known key counts towards the limit, and the headers of a 401, which say
that there is no plan and that the limit is 0.
"""

from __future__ import annotations

import asyncio
from math import ceil
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from sandbox import believable
from sandbox.accounts import Key, Refused
from sandbox.answers import is_text_list, is_web_url, json_answer, json_object, sent_key
from sandbox.records import Fields
from sandbox.world import Arrival, Sandbox


async def answer(sandbox: Sandbox, request: Request, arrival: Arrival) -> Response:
    """Any request below the base URL."""
    key = sandbox.keys.get(sent_key(request) or "")
    if key and key.service != "clipus":
        key = None
    headers = _headers(sandbox, key)
    try:
        content = await _answer(sandbox, request, arrival, key)
        return json_answer({"success": True} | content, 200, headers)
    except Refused as refused:
        if refused.status == 429 and refused.retry_after and sandbox.retry_after:
            headers["retry-after"] = str(ceil(refused.retry_after))
        return json_answer({"success": False, "error": refused.message}, refused.status, headers)


def _headers(sandbox: Sandbox, key: Key | None) -> dict[str, str]:
    plan = sandbox.plans[key.plan] if key else None
    return {
        "x-ratelimit-plan": key.plan if key else "none",
        "x-ratelimit-limit": str(plan.requests_per_minute if plan else 0),
        "x-clipus-api-scopes": ",".join(key.scopes) if key else "",
    }


async def _answer(sandbox: Sandbox, request: Request, arrival: Arrival, key: Key | None) -> Fields:
    if key is None:
        raise Refused(401, "unauthorized", "Missing or invalid API key.")
    plan = sandbox.plans[key.plan]
    if not plan.has_api:
        raise Refused(403, "plan", "Your plan has no API access. Upgrade to Growth or above.")
    bucket = (key.name, "requests")
    if wait := sandbox.limits.admit(bucket, plan.requests_per_minute, arrival.monotonic):
        raise Refused(429, "rate", "Rate limit exceeded. Try again in a minute.", wait)

    match arrival.method, arrival.path.split("/")[1:]:
        case "GET", ["api", "v1", "campaigns", campaign_id]:
            campaign = sandbox.campaigns.get(campaign_id)
            if campaign is None or campaign.account != key.account:
                raise Refused(404, "not_found", "Campaign not found.")
            return campaign.at(sandbox.clock.now())
        case "POST", ["api", "v1", "campaigns"]:
            return await _create(sandbox, request, key)
        case _, ["api", "v1", "campaigns"] | ["api", "v1", "campaigns", _]:
            raise Refused(405, "method", "Method not allowed.")
    raise Refused(404, "not_found", "Not found.")


async def _create(sandbox: Sandbox, request: Request, key: Key) -> Fields:
    if "campaigns:create" not in key.scopes:
        raise Refused(403, "scope", "This key lacks the scope campaigns:create.")
    submission = await json_object(request)
    _check(submission, sandbox.plans[key.plan].languages)
    # From here on the campaign exists, even if the client gives up while the page is read.
    campaign_id = sandbox.submit_campaign(submission, account=key.account, plan=key.plan)
    await asyncio.sleep(sandbox.campaign_open_seconds)
    now = sandbox.clock.now()
    return {
        "campaign_id": campaign_id,
        "job_id": believable.ulid(now, campaign_id).upper(),
        "status": "collecting",
    }


def _check(submission: Fields, most_languages: int) -> None:
    url, languages = submission.get("url"), submission.get("languages")
    if not is_web_url(url):
        raise Refused(400, "url", "A valid url is required.")
    if languages is not None and (not is_text_list(languages) or not languages):
        raise Refused(400, "languages", "languages must be a list of language codes.")
    if len(languages or ()) > most_languages:
        raise Refused(400, "languages", f"Your plan allows {most_languages} languages.")
    for name in ("title", "webhook_url"):
        if not isinstance(submission.get(name), str | None):
            raise Refused(400, name, f"{name} must be text.")
    if submission.get("webhook_url") and not is_web_url(submission["webhook_url"]):
        raise Refused(400, "webhook_url", "webhook_url must be a URL.")
    if urlsplit(str(url)).hostname == believable.BLOCKED_HOST:
        raise Refused(422, "capture", "Could not capture screenshots of this page.")
