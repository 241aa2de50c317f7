"""What a key may do: one or two GETs that cost nothing, answered within seconds or abandoned.

They take rate slots as a sync does, so they never cost it a refusal; if a sync has taken them all,
the check says so instead of waiting for a minute.

Source: Klipit API reference, "API key scopes" and "Rate limits"; Clipus API reference, "Rate
limits": every response has the plan's headers; by clipus.io/developers only successful and
plan-gated ones do. Klipit's account path is undocumented.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from urllib.parse import urlsplit

import httpx

from pipelines.ledger.ledger import Ledger
from pipelines.service import CLIPUS, KLIPIT, SERVICES, Service
from pipelines.settings import Settings, is_loopback
from sources.clipus.client import plan_headers
from sources.clipus.settings import requests_bucket
from sources.klipit.settings import clips_bucket, polls_bucket, submissions_bucket
from sources.shared.answers import Answer
from sources.shared.clients import http_client
from sources.shared.errors import ClipmartError, FixConfiguration, RequestFailed, TryAgainLater
from sources.shared.http import Api
from sources.shared.slots import RateSlots, fingerprint
from sources.shared.tables import Row

from .checks import CLOCK_SECONDS, Check, Level, level_above

NO_JOB = "job_clipmart_doctor"  # the reference's ids have no letters i, l, o and u
NO_CAMPAIGN = "00000000-0000-0000-0000-000000000000"
ANSWER_SECONDS = 15.0
WAIT_SECONDS = 3.0
"""For rate slots and between attempts, altogether."""
ATTEMPTS = 2


def key_checks(settings: Settings, ledger: Ledger | None) -> list[Check]:
    """Keys, plans, scopes and limits of the services that have a key, and the clock.

    Args:
        ledger: holds the rate slots; None if a sync cannot use it either.
    """
    return asyncio.run(_probe_all(settings, ledger))


async def _probe_all(settings: Settings, ledger: Ledger | None) -> list[Check]:
    slots = ledger.slots(settings.minute_seconds) if ledger else RateSlots.in_memory()
    async with http_client() as http:
        probes = [_Probe(service, settings, slots, http) for service in SERVICES.values()]
        probes = [probe for probe in probes if probe.key]
        checks = await asyncio.gather(*(_run(probe) for probe in probes))
    skews = [skew for probe in probes for skew in probe.skews]
    return [*chain.from_iterable(checks), *_clock(settings, skews)]


class _Busy(ClipmartError):
    """A longer wait than a person at a terminal accepts."""


@dataclass
class _Probe:
    """A service, its answers, and how long they took."""

    service: Service
    settings: Settings
    slots: RateSlots
    http: httpx.AsyncClient
    answers: list[Answer] = field(default_factory=list)
    skews: list[float] = field(default_factory=list)
    """Seconds by which this machine's clock was ahead of each answer's Date."""
    waited: float = 0.0

    @property
    def key(self) -> str:
        return self.settings.api_key(self.service.name) or ""

    @property
    def host(self) -> str:
        return urlsplit(self.settings.base_url(self.service.name)).netloc

    @property
    def status(self) -> int:
        """Of the last answer; 0 without one."""
        return self.answers[-1].status if self.answers else 0

    def api(self) -> Api:
        return Api(
            name=self.service.title,
            base_url=self.settings.base_url(self.service.name),
            key=self.key,
            key_variable=self.service.key_variable,
            address_variable=self.service.address_variable,
            slots=self.slots,
            client=self.http,
            attempts=ATTEMPTS,
            on_answer=self.record,
            sleep=self._wait,
        )

    def check(
        self, what: str, level: Level, message: str, remedy: str = "", code: int = 3
    ) -> Check:
        """A line of this service; if it fails, the exit code is `code`."""
        return Check(f"{self.service.name} {what}", level, message, remedy, code)

    def record(self, answer: Answer) -> None:
        self.answers.append(answer)
        if answer.observed_at is not None:
            self.skews.append((self.settings.now() - answer.observed_at).total_seconds())

    async def _wait(self, seconds: float) -> None:
        self.waited += seconds
        if self.waited > WAIT_SECONDS:
            raise _Busy
        await asyncio.sleep(seconds)


async def _run(probe: _Probe) -> list[Check]:
    address = probe.service.address_variable
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _PROBES[probe.service](probe)
    except FixConfiguration:
        if probe.status in (401, 403):
            return _refused(probe)
        message = f"{probe.host} redirects elsewhere ({probe.status}); the key was not sent there"
        remedy = f"Set {address} to that address, if you trust it."
        return [probe.check("key", "fail", message, remedy)]
    except (ClipmartError, TimeoutError) as error:
        if isinstance(error, _Busy | TryAgainLater) or probe.status == 429:
            message = "was not tried: its requests of this minute are used up"
            remedy = "Check again in a minute; `clipmart status` shows whether a sync runs."
            return [probe.check("key", "warn", message, remedy)]
        why = f"answers {probe.status}" if probe.status else "does not answer"
        remedy = f"Try again later. If it does not help, check that {address} is right."
        return [probe.check("key", "fail", f"could not be tried: {probe.host} {why}", remedy, 75)]


def _refused(probe: _Probe) -> list[Check]:
    variable = probe.service.key_variable
    if probe.status == 401:
        return [probe.check("key", "fail", "is refused (401)", f"Set {variable} to a valid key.")]
    if probe.service is KLIPIT:
        remedy = f"Give the key in {variable} that scope on Klipit's page, or set another."
        return [
            accepted(probe.service, probe.settings),
            probe.check("scopes", "fail", "jobs:read is missing", remedy),
        ]
    message = f"{_plan(probe).get('plan') or 'this plan'}: it has no API access (403)"
    remedy = f"Change to the plan Growth or above, or set {variable} to another account's key."
    return [accepted(probe.service, probe.settings), probe.check("plan", "fail", message, remedy)]


async def _klipit(probe: _Probe) -> list[Check]:
    client = probe.service.client(probe.api(), probe.settings.now)
    path = probe.settings.account_path(KLIPIT.name) or ""
    reported, account = None, "does not answer"
    with suppress(RequestFailed):
        reported = await client.read_account(path)
        account = f"answers {probe.status}"
    checks = [accepted(probe.service, probe.settings)]
    if reported is not None:
        scopes = "account:read; a sync shows jobs:read and clips:read"
        checks.append(probe.check("balance", "ok", f"{reported['balance']:g} left"))
        checks.append(probe.check("scopes", "ok", scopes))
        return [*checks, _limits(probe)]
    await client.poll(NO_JOB)
    if not isinstance(probe.answers[-1].body, dict):
        message = f"{probe.host} answers {probe.status}, but not in JSON: it may be another server"
        remedy = "Check that KLIPIT_BASE_URL is the API's address."
        return [probe.check("key", "warn", message, remedy)]
    by_hand = "`clipmart credits BALANCE` records a balance by hand."
    if account == "answers 403":
        remedy = f"Give the key that scope on Klipit's page. {by_hand}"
        checks.append(probe.check("balance", "warn", "account:read is missing", remedy))
    else:
        remedy = f"Set KLIPIT_ACCOUNT_PATH if you know another path. {by_hand}"
        checks.append(probe.check("balance", "warn", f"is not reported: {path} {account}", remedy))
    scopes = "jobs:read; a sync shows clips:read"
    return [*checks, probe.check("scopes", "ok", scopes), _limits(probe)]


def _limits(probe: _Probe) -> Check:
    buckets = {
        "submissions": submissions_bucket(probe.key),
        "polls": polls_bucket(probe.key),
        "clip reads": clips_bucket(probe.key),
    }
    used = [
        f"{probe.slots.in_use(bucket)} of {bucket.per_minute} {what}"
        for what, bucket in buckets.items()
    ]
    return probe.check("limits", "ok", f"{', '.join(used)} used this minute")


async def _clipus(probe: _Probe) -> list[Check]:
    client = probe.service.client(probe.api(), probe.settings.now)
    learn_limit = client.api.on_answer

    def on_answer(answer: Answer) -> None:
        probe.record(answer)
        learn_limit(answer)

    client.api.on_answer = on_answer
    await client.poll(NO_CAMPAIGN)
    plan = _plan(probe)
    body = probe.answers[-1].body
    if not plan and not (isinstance(body, dict) and body.get("success") is False):
        message = f"{probe.host} answers {probe.status}, but not as Clipus does: it is not its API"
        remedy = "Set CLIPUS_BASE_URL to the API's address, or unset it."
        return [probe.check("key", "fail", message, remedy)]
    checks = [accepted(probe.service, probe.settings)]
    if not plan:
        message = "a sync that reads a campaign shows it, and its scopes"
        return [*checks, probe.check("plan", "ok", message)]
    per_minute = plan["requests_per_minute"]
    if per_minute is None:
        message = f"{plan['plan']}; its requests a minute are not reported"
        remedy = "Nothing to do: they are sent one at a time."
        checks.append(probe.check("plan", "warn", message, remedy))
    else:
        used = probe.slots.in_use(requests_bucket(probe.key))
        message = f"{plan['plan']}; {used} of {per_minute} requests used this minute"
        checks.append(probe.check("plan", "ok", message))
    scopes = str(plan["scopes"] or "")
    if "campaigns:create" in re.split(r"[\s,]+", scopes):
        return [*checks, probe.check("scopes", "ok", scopes)]
    remedy = "Create a key with that scope; until then `clipmart submit clipus` is refused."
    message = f"campaigns:create is missing ({scopes or 'none are reported'})"
    return [*checks, probe.check("scopes", "warn", message, remedy)]


_PROBES = {KLIPIT: _klipit, CLIPUS: _clipus}


def _plan(probe: _Probe) -> Row:
    return plan_headers(probe.answers[-1].headers) or {}


def accepted(service: Service, settings: Settings) -> Check:
    """The line of a key that works, with the host that gets it if it is not the vendor's."""
    key = fingerprint(settings.api_key(service.name) or "")[:6]
    message, host = f"is accepted (fingerprint {key})", settings.foreign_host(service.name)
    if host is None:
        return Check(f"{service.name} key", "ok", message)
    variable = service.address_variable
    message += f" by {host}, not the vendor's own host ({variable})"
    if is_loopback(f"//{host}"):
        return Check(f"{service.name} key", "ok", message)
    remedy = f"If you do not trust it, unset {variable}."
    return Check(f"{service.name} key", "warn", message, remedy)


def _clock(settings: Settings, skews: list[float]) -> list[Check]:
    """This machine's clock compared with the answers' Date, which has whole seconds."""
    if not skews:
        return []
    skew = max(skews, key=abs)
    level = level_above(abs(skew), CLOCK_SECONDS)
    if level == "ok":
        return [Check("clock", "ok", "agrees with the APIs'")]
    message = f"is {abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} the APIs'"
    remedy = "Let NTP set it: `timedatectl set-ntp true`."
    if settings.pinned_now:
        remedy = "Unset CLIPMART_NOW."
    return [Check("clock", level, message, remedy)]
