"""Webhooks: Klipit's signed events and Clipus's unsigned calls, sent when they are due.

Klipit reference, "Webhooks": events job.created, job.complete (clip_count), job.failed
(error), HMAC-SHA256 over the raw body in X-Klipit-Signature. Hex is this server's choice,
and each is sent once: neither the encoding nor retries are documented. Clipus's payload
is unknown, so an invented one is sent, unsigned.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import hmac
import json
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from sandbox.clock import instant, text
from sandbox.records import Fields, Record


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """A webhook and the instant from which it is due."""

    at: datetime
    number: int  # orders calls of the same instant
    url: str
    body: bytes
    signed: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """A call that was made."""

    url: str
    body: bytes
    outcome: int | str  # the answer's status, or the name of the error


class Webhooks:
    """Calls that are still due, and those that were made (`deliveries`)."""

    def __init__(self, url: str | None, secret: str) -> None:
        self.url = url
        self.secret = secret
        self.deliveries: list[Delivery] = []
        self._due: list[Call] = []
        self._scheduled = 0
        self._lock = threading.Lock()

    def signature(self, body: bytes) -> str:
        """The HMAC-SHA256 of a body, in hex."""
        return hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()

    def expect_job(self, job_id: str, job: Record) -> None:
        """Schedule the events of a submitted job, if a URL is configured."""
        self.expect_event(instant(job.fields["created_at"]), "job.created", job_id)
        for at, changes in job.steps:
            if changes.get("status") == "complete":
                self.expect_event(at, "job.complete", job_id, clip_count=changes["clip_count"])
            if changes.get("status") == "failed":
                self.expect_event(at, "job.failed", job_id, error=changes["error"])

    def expect_event(self, at: datetime, event: str, job_id: str, **fields: Any) -> None:
        """Schedule one of Klipit's events, if a URL is configured."""
        body = {"event": event, "job_id": job_id, **fields, "timestamp": text(at)}
        self._expect(at, self.url, body, signed=True)

    def expect_campaign(self, campaign_id: str, campaign: Record) -> None:
        """Schedule the call at a campaign's end, if its submission has a webhook_url."""
        for at, changes in campaign.steps:
            if (status := changes.get("status")) in ("completed", "failed"):
                body = {"campaign_id": campaign_id, "status": status}
                self._expect(at, campaign.submission.get("webhook_url"), body, signed=False)

    def _expect(self, at: datetime, url: str | None, body: Fields, *, signed: bool) -> None:
        if not url:
            return
        raw = json.dumps(body, ensure_ascii=False).encode()
        with self._lock:
            self._scheduled += 1
            heapq.heappush(self._due, Call(at, self._scheduled, url, raw, signed))

    def deliver_due_now(self, now: datetime) -> int:
        """`deliver_due`, for a thread without an event loop."""
        return asyncio.run(self.deliver_due(now))

    async def deliver_due(self, now: datetime) -> int:
        """Send what is due, one after another; a failure is recorded and not repeated."""
        due: list[Call] = []
        with self._lock:
            while self._due and self._due[0].at <= now:
                due.append(heapq.heappop(self._due))
        if not due:
            return 0
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            for call in due:
                headers = {"content-type": "application/json"}
                if call.signed:
                    headers["x-klipit-signature"] = self.signature(call.body)
                outcome: int | str
                try:
                    answer = await client.post(call.url, content=call.body, headers=headers)
                    outcome = answer.status_code
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    outcome = type(error).__name__
                self.deliveries.append(Delivery(call.url, call.body, outcome))
        return len(due)
