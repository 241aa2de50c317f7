"""The sandbox's state and its Python API; the server only reads and submits."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from sandbox import accounts, believable, timeline
from sandbox.accounts import Account, CreditChange, Key, Plan, Refused
from sandbox.clock import Clock, instant, text
from sandbox.faults import Faults
from sandbox.limits import Limits
from sandbox.records import Fields, Record
from sandbox.webhooks import Webhooks

WEBHOOK_SIGNING = "whsec_sandbox_only"


@dataclass(slots=True)
class Arrival:
    """One request, in the order of arrival.

    `status` is None while it is open, and for good if the connection was dropped before an
    answer.
    """

    monotonic: float
    at: datetime
    service: str  # klipit, clipus, or files for download links
    method: str
    path: str  # below the service's base URL: /jobs/job_1, /api/v1/campaigns/…
    key: str | None  # the key's name, never the key; None without one
    status: int | None = None
    fault: str | None = None  # the fault injected into this one


class Sandbox:
    """The state of both APIs. It can be changed while another thread serves it.

    Args:
        seed: decides ids and outcomes.
        now: stops the domain clock there; default CLIPMART_NOW, else the machine's clock.
        minute_seconds: length of the rate window; default CLIPMART_MINUTE_SECONDS, else
            60. 0 turns limits off.
        balance: Klipit credits at the start.
        webhook_url: address for Klipit's events, signed with `webhook_secret`.
        campaign_open_seconds: how long POST /campaigns stays open, on the machine's clock.
        retry_after: whether a 429 has Retry-After (undocumented for both APIs).
        export_seconds: how long an export takes, on the domain clock.
        upload_limit_bytes: a larger upload is answered 413.
        latency_seconds: how long every answer takes, on the machine's clock.
    """

    def __init__(  # noqa: PLR0913 - settings, all by name
        self,
        *,
        seed: int = 0,
        now: datetime | str | None = None,
        minute_seconds: float | None = None,
        balance: float = 150.0,
        webhook_url: str | None = None,
        webhook_secret: str = WEBHOOK_SIGNING,
        campaign_open_seconds: float = 0.0,
        retry_after: bool = False,
        export_seconds: float = 60.0,
        upload_limit_bytes: int = 2 * 1024**3,
        latency_seconds: float = 0.0,
    ) -> None:
        if minute_seconds is None:
            minute_seconds = float(os.environ.get("CLIPMART_MINUTE_SECONDS") or 60)
        self.seed = seed
        self.clock = Clock(now)
        self.limits = Limits(minute_seconds)
        self.faults = Faults()
        self.webhooks = Webhooks(webhook_url, webhook_secret)
        self.campaign_open_seconds = campaign_open_seconds
        self.retry_after = retry_after
        self.export_seconds = export_seconds
        self.upload_limit_bytes = upload_limit_bytes
        self.latency_seconds = dict.fromkeys(("klipit", "clipus"), latency_seconds)
        self.url = ""  # set once it serves
        self.requests: list[Arrival] = []
        self.jobs: dict[str, Record] = {}
        self.campaigns: dict[str, Record] = {}
        self.exports: dict[
            tuple[str, str, str], datetime
        ] = {}  # (job, platform, format) → requested
        self.plans: dict[str, Plan] = accounts.default_plans()
        self.videos_used: Counter[tuple[str, str]] = Counter()  # by (account, month)
        self.accounts = {"sandbox": Account("sandbox", balance)}
        self.keys: dict[str, Key] = {}
        self._lock = threading.Lock()
        self._submitted = 0
        self.add_klipit_key(accounts.KLIPIT_KEY, name="klipit")
        self.add_clipus_key(accounts.CLIPUS_KEY, name="clipus")

    @property
    def klipit_url(self) -> str:
        """What KLIPIT_BASE_URL should be."""
        return f"{self.url}/klipit/api/v1"

    @property
    def clipus_url(self) -> str:
        """What CLIPUS_BASE_URL should be."""
        return f"{self.url}/clipus"

    # --- keys and credits -------------------------------------------------------------

    def add_klipit_key(
        self,
        key: str,
        *,
        name: str | None = None,
        account: str = "sandbox",
        scopes: Iterable[str] = accounts.KLIPIT_SCOPES,
    ) -> None:
        """Accept a key. An account sees only its own jobs; a new one starts with 0 credits."""
        self.accounts.setdefault(account, Account(account, 0.0))
        self.keys[key] = Key(name or accounts.fingerprint(key), "klipit", account, tuple(scopes))

    def add_clipus_key(
        self,
        key: str,
        *,
        name: str | None = None,
        account: str = "sandbox",
        plan: str = "growth",
        scopes: Iterable[str] = accounts.CLIPUS_SCOPES,
    ) -> None:
        """Accept a key of a plan (`plans` holds their limits, changeable at run time)."""
        self.keys[key] = Key(
            name or accounts.fingerprint(key), "clipus", account, tuple(scopes), plan
        )

    def set_plan(self, name: str, **changes: Any) -> None:
        """Change fields of a `Plan`; answers follow at once."""
        self.plans[name] = replace(self.plans[name], **changes)

    @property
    def balance(self) -> float:
        """Klipit credits of the default account; setting it is a change like any other."""
        return self.accounts["sandbox"].balance

    @balance.setter
    def balance(self, credits: float) -> None:
        self._change_credits("sandbox", credits - self.balance, "set")

    def set_balance(self, credits: float) -> None:
        """Set `balance`, for a caller in another process."""
        self.balance = credits

    def top_up(self, credits: float, *, account: str = "sandbox") -> None:
        """Add credits to an account."""
        self._change_credits(account, credits, "top-up")

    @property
    def credit_changes(self) -> list[CreditChange]:
        """Every change of the default account's balance, in order."""
        return self.accounts["sandbox"].changes

    def _change_credits(
        self, account: str, amount: float, reason: str, at: datetime | None = None
    ) -> None:
        with self._lock:
            if reason == "job" and self.accounts[account].balance + amount < 0:
                raise Refused(402, "insufficient_credits", "Not enough credits for this episode.")
            self.accounts[account].change(at or self.clock.now(), amount, reason)

    def set_latency(self, seconds: float, *services: str) -> None:
        """Delay the answers of these services (default: both) from now on."""
        self.latency_seconds |= dict.fromkeys(services or ("klipit", "clipus"), seconds)

    # --- records as a test wants them -------------------------------------------------

    def add_job(
        self,
        job_id: str,
        *,
        status: Any = "complete",
        clips: Any = 0,
        created_at: datetime | str | None = None,
        account: str = "sandbox",
        without: Iterable[str] = (),
        **fields: Any,
    ) -> None:
        """A job that stays as it is: no progress, no credits, no webhook.

        Args:
            status: any word. A complete job gets completed_at 252 s after created_at.
            clips: how many believable ones, or the clips themselves, taken as they are.
            created_at: default now, or ten minutes ago for a complete job. For a value
                that is not an instant use `update_job`.
            without: fields to leave out.
            fields: any other field, known or not, of any type.
        """
        complete = status == "complete"
        born = instant(created_at or self.clock.now() - timedelta(minutes=10 * complete))
        if isinstance(clips, int):
            episode = believable.Episode("complete", 3842.0, "", 0)
            clips = believable.clips(self.seed, job_id, episode, job_id, clips)
        self.jobs[job_id] = Record(
            {
                "id": job_id,
                "status": status,
                "clip_count": len(clips) if complete and isinstance(clips, list) else None,
                "duration_seconds": 3842 if complete else None,
                "created_at": created_at if isinstance(created_at, str) else text(born),
                "completed_at": text(born + timedelta(seconds=252)) if complete else None,
                **({"error": "No speech found in the audio."} if status == "failed" else {}),
                **fields,
            },
            account=account,
            without=set(without),
            clips=clips,
        )

    def add_campaign(
        self,
        campaign_id: str,
        *,
        status: Any = "completed",
        videos: Any = (),
        created_at: datetime | str | None = None,
        account: str = "sandbox",
        without: Iterable[str] = (),
        **fields: Any,
    ) -> None:
        """A campaign that stays as it is; `videos` and `fields` are taken as they are."""
        born = created_at or self.clock.now() - timedelta(minutes=30 * (status == "completed"))
        self.campaigns[campaign_id] = Record(
            {
                "campaign_id": campaign_id,
                "status": status,
                "url": "https://product1.example/",
                "title": "product1.example",
                "languages": ["en"],
                "created_at": born if isinstance(born, str) else text(born),
                "videos": list(videos) if isinstance(videos, tuple) else videos,
                **fields,
            },
            account=account,
            without=set(without),
        )

    def update_job(self, job_id: str, *, without: Iterable[str] = (), **fields: Any) -> None:
        """Override fields of a job, submitted or added, also those that change over time."""
        self.jobs[job_id].update(fields, without)

    def update_campaign(
        self, campaign_id: str, *, without: Iterable[str] = (), **fields: Any
    ) -> None:
        """Override fields of a campaign; `videos` replaces them all."""
        self.campaigns[campaign_id].update(fields, without)

    def set_clips(self, job_id: str, clips: Any) -> None:
        """Replace a job's clips by any list, or by any other shape."""
        self.jobs[job_id].clips = clips

    def rescore(self, job_id: str, scores: Mapping[str, Any]) -> None:
        """Give some of a job's clips (by id) another shareability_score."""
        self.jobs[job_id].clips = [
            clip | {"shareability_score": scores[clip["id"]]} if clip["id"] in scores else clip
            for clip in self.jobs[job_id].clips
        ]

    def remove_job(self, job_id: str) -> None:
        """Answer 404 for it from now on."""
        del self.jobs[job_id]

    # --- submissions, as over HTTP, from Python ---------------------------------------

    def submit_job(
        self,
        submission: Fields,
        *,
        account: str = "sandbox",
        at: datetime | None = None,
    ) -> str:
        """Submit an episode; its credits are charged now.

        Args:
            submission: the body of POST /jobs, with `source_url`, or `file` (its name).

        Returns:
            The job's id.

        Raises:
            Refused: not enough credits.
        """
        at = at or self.clock.now()
        source = submission.get("source_url") or submission["file"]
        episode = believable.episode(self.seed, source, submission.get("show_name"))
        self._change_credits(account, -episode.credits, "job", at)
        job_id = f"job_{believable.ulid(at, self.seed, 'job', self._next())}"
        record = timeline.job(self.seed, job_id, submission, source, at)
        record.account = account
        self.jobs[job_id] = record
        self.webhooks.expect_job(job_id, record)
        return job_id

    def submit_campaign(
        self,
        submission: Fields,
        *,
        account: str = "sandbox",
        plan: str = "growth",
        at: datetime | None = None,
    ) -> str:
        """Submit a page; its videos count towards the month (UTC) of the submission.

        Args:
            submission: the body of POST /campaigns.

        Returns:
            The campaign's id.

        Raises:
            Refused: it would have more videos than are left in the month.
        """
        at = at or self.clock.now()
        languages = submission.get("languages") or ["en", "ja", "ko"]
        month, quota = (account, f"{at:%Y-%m}"), self.plans[plan].videos_per_month
        with self._lock:
            used = self.videos_used[month]
            launch = believable.launch(self.seed, submission["url"])
            videos = len(languages) * len(launch.platforms)
            if used + videos > quota:
                raise Refused(429, "quota", f"Monthly limit reached ({used}/{quota}).")
            self.videos_used[month] += videos
        chance = believable.dice(self.seed, "campaign", self._next())
        campaign_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        title = submission.get("title") or urlsplit(submission["url"]).hostname
        full = submission | {"languages": languages, "title": title}
        record = timeline.campaign(self.seed, campaign_id, full, at)
        record.account = account
        self.campaigns[campaign_id] = record
        self.webhooks.expect_campaign(campaign_id, record)
        return campaign_id

    def relive(self, uses: Iterable[believable.Use]) -> None:
        """Submit what `month_of_use` planned, each at its own instant."""
        for use in uses:
            try:
                if use.service == "klipit":
                    self.submit_job(use.body, at=use.at)
                elif use.service == "clipus":
                    self.submit_campaign(use.body, at=use.at)
                else:
                    self._change_credits("sandbox", use.body["credits"], "top-up", use.at)
            except Refused:
                continue  # the month has one submission that its quota refuses

    def _next(self) -> int:
        with self._lock:
            self._submitted += 1
            return self._submitted

    # --- requests and webhooks --------------------------------------------------------

    def asked(
        self,
        method: str = "*",
        path: str = "*",
        *,
        service: str = "*",
        status: int | None = None,
        since: float = 0,
    ) -> int:
        """Count requests. `path` is below the service's base URL; * and ? are wildcards.

        Args:
            status: only those with this status.
            since: only those after this `time.monotonic()`.
        """
        return sum(
            fnmatchcase(arrival.method, method)
            and fnmatchcase(arrival.path, path)
            and fnmatchcase(arrival.service, service)
            and (status is None or arrival.status == status)
            and arrival.monotonic >= since
            for arrival in list(self.requests)
        )

    def forget_requests(self) -> None:
        """Empty the log; the rate windows stay."""
        self.requests.clear()

    def deliver_due_webhooks(self) -> int:
        """Send every webhook that is due by the domain clock.

        Returns:
            How many were sent, successfully or not (see `webhooks.deliveries`).
        """
        return self.webhooks.deliver_due_now(self.clock.now())

    def notify(self, event: str, job_id: str, **fields: Any) -> None:
        """Make one of Klipit's events due now, for any job."""
        self.webhooks.expect_event(self.clock.now(), event, job_id, **fields)

    # --- for the server ---------------------------------------------------------------

    def log(self, service: str, method: str, path: str, key: str | None) -> Arrival:
        """Add a request to `requests`; `key` is as sent, and only its name is stored."""
        known = self.keys.get(key or "")
        name = known.name if known else accounts.fingerprint(key) if key else None
        arrival = Arrival(time.monotonic(), self.clock.now(), service, method, path, name)
        self.requests.append(arrival)
        return arrival
