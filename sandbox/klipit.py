"""Klipit's API: jobs, clips, exports and the account.

Source: Klipit reference. Undocumented, so chosen here: the error body, 402 without
credits, 409 for clips or exports of a job that is not complete, 202 for an export that
is not ready, and GET /account with its shape.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from math import ceil

from starlette.requests import Request
from starlette.responses import Response

from sandbox.accounts import Key, Refused
from sandbox.answers import bearer, is_text_list, is_web_url, json_answer, json_object
from sandbox.clock import text
from sandbox.records import Fields, Record, best_first
from sandbox.uploads import read_upload
from sandbox.world import Arrival, Sandbox

# Requests a minute. Exports and the account have no documented limit.
LIMITS = {"submissions": 10, "status polls": 60, "clip reads": 120}
FORMATS = ("mp4", "zip")
PLATFORMS = ("tiktok", "reels", "shorts", "linkedin", "twitter")
LINK_LIFETIME = timedelta(hours=24)


async def answer(sandbox: Sandbox, request: Request, arrival: Arrival) -> Response:
    """Any request below the base URL."""
    try:
        return await _answer(sandbox, request, arrival)
    except Refused as refused:
        headers = {}
        if refused.status == 429 and sandbox.retry_after:
            headers["retry-after"] = str(ceil(refused.retry_after))
        error = {"code": refused.code, "message": refused.message}
        return json_answer({"error": error}, refused.status, headers)


async def _answer(sandbox: Sandbox, request: Request, arrival: Arrival) -> Response:
    key = sandbox.keys.get(bearer(request) or "")
    if key is None or key.service != "klipit":
        raise Refused(401, "unauthorized", "Missing or invalid API key.")

    def permit(scope: str, limit: str | None = None) -> None:
        if scope not in key.scopes:
            raise Refused(403, "missing_scope", f"This key lacks the scope {scope}.")
        if limit and (
            wait := sandbox.limits.admit((key.name, limit), LIMITS[limit], arrival.monotonic)
        ):
            raise Refused(429, "rate_limited", f"Too many {limit} a minute.", wait)

    match arrival.method, arrival.path.split("/")[1:]:
        case "GET", ["jobs", job_id]:
            permit("jobs:read", "status polls")
            return json_answer(_job(sandbox, key, job_id).at(sandbox.clock.now()))
        case "GET", ["jobs", job_id, "clips"]:
            permit("clips:read", "clip reads")
            return json_answer({"clips": best_first(_complete(sandbox, key, job_id).clips)})
        case "POST", ["jobs"]:
            permit("jobs:create", "submissions")
            return await _submit(sandbox, request, key)
        case "POST", ["jobs", job_id, "export"]:
            permit("exports:create")
            return await _export(sandbox, request, key, job_id)
        case "GET", ["account"]:
            permit("account:read")
            account = sandbox.accounts[key.account]
            profile = {"name": account.name, "email": f"{account.name}@podcasts.example"}
            return json_answer({"profile": profile, "credits": {"balance": account.balance}})
        case _, ["jobs"] | ["jobs", _] | ["jobs", _, "clips" | "export"] | ["account"]:
            raise Refused(405, "method_not_allowed", "Method not allowed.")
    raise Refused(404, "not_found", "No such endpoint.")


def _job(sandbox: Sandbox, key: Key, job_id: str) -> Record:
    job = sandbox.jobs.get(job_id)
    if job is None or job.account != key.account:
        raise Refused(404, "not_found", "No such job.")
    return job


def _complete(sandbox: Sandbox, key: Key, job_id: str) -> Record:
    job = _job(sandbox, key, job_id)
    status = job.at(sandbox.clock.now()).get("status")
    if status in ("queued", "transcribing", "clipping", "failed"):
        raise Refused(409, "job_not_complete", f"The job is {status}.")
    return job


async def _submit(sandbox: Sandbox, request: Request, key: Key) -> Response:
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        submission = await read_upload(request, sandbox.upload_limit_bytes)
    else:
        submission = await json_object(request)
        submission.pop("file", None)  # only a part of a form can be a file
        if not is_web_url(submission.get("source_url")):
            raise Refused(422, "invalid_request", "source_url must be a URL, or upload a file.")
    for name in ("show_name", "guest_name", "description"):
        if not isinstance(submission.get(name), str | None):
            raise Refused(422, "invalid_request", f"{name} must be text.")
    if not is_text_list(submission.get("platforms") or []):
        raise Refused(422, "invalid_request", "platforms must be a list of names.")
    job_id = sandbox.submit_job(submission, account=key.account)
    job = sandbox.jobs[job_id].fields
    return json_answer({name: job[name] for name in ("id", "status", "created_at")}, 201)


async def _export(sandbox: Sandbox, request: Request, key: Key, job_id: str) -> Response:
    _complete(sandbox, key, job_id)
    wanted = await json_object(request) if await request.body() else {}
    kind, platform = wanted.get("format", "mp4"), wanted.get("platform") or "all"
    if kind not in FORMATS or platform not in (*PLATFORMS, "all"):
        raise Refused(422, "invalid_request", f"format: {FORMATS}; platform: {PLATFORMS}.")
    now = sandbox.clock.now()
    requested_at = sandbox.exports.get((job_id, platform, kind))
    if requested_at is None or now >= requested_at + LINK_LIFETIME:  # a new one, or expired
        sandbox.exports[job_id, platform, kind] = requested_at = now
    if now < requested_at + timedelta(seconds=sandbox.export_seconds):
        return json_answer({"status": "processing"}, 202)
    link = f"{sandbox.url}/files/{job_id}/{platform}.{kind}"
    token = hashlib.sha256(f"{sandbox.seed} {link} {requested_at}".encode()).hexdigest()[:16]
    expires_at = text(requested_at + LINK_LIFETIME)
    return json_answer({"export_url": f"{link}?signature={token}", "expires_at": expires_at})


def download(sandbox: Sandbox, arrival: Arrival) -> Response:
    """Answer an export's link, which needs no key: the file, or 410 once it has expired."""
    match arrival.path.split("/")[1:]:
        case [job_id, name] if "." in name:
            platform, _, kind = name.rpartition(".")
            requested_at = sandbox.exports.get((job_id, platform, kind))
            if requested_at and sandbox.clock.now() >= requested_at + LINK_LIFETIME:
                return Response("This link has expired.\n", 410, media_type="text/plain")
            if requested_at and arrival.method == "GET":
                content: Fields = {"job_id": job_id, "platform": platform, "format": kind}
                return Response(
                    repr(content).encode(),
                    media_type=f"{'video' if kind == 'mp4' else 'application'}/{kind}",
                )
    return Response("Not found.\n", 404, media_type="text/plain")
