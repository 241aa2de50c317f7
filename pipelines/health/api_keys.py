"""What a key may do: one or two GETs that spend nothing, answered within seconds or given up.

They take rate slots as a sync does, so they never cost it a refusal; where a sync has taken them
all, that is said instead of waiting for a minute.

Source: Klipit API reference, "API key scopes" and "Rate limits"; Clipus API reference, "Rate
limits": every response has the plan's headers; by clipus.io/developers only successful and
plan-gated ones do. Klipit's account path is undocumented.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
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
        ledger: holds the rate slots; None where no sync can use it either.
    """
    return asyncio.run(_probe_all(settings, ledger))


async def _probe_all(settings: Settings, ledger: Ledger | None) -> list[Check]:
    slots = ledger.slots(settings.minute_seconds) if ledger else RateSlots.in_memory()
    async with http_client() as http:
        probes = [_Probe(service, settings, slots, http) for service in SERVICES.values()]
        probes = [probe for probe in probes if probe.key]
        checks = await asyncio.gather(*(_run(probe) for probe in probes))
    skews = [skew for probe in probes for skew in probe.skews]
    return [*(check for some in checks for check in some), *_clock(settings, skews)]


class _Busy(ClipmartError):
    """A longer wait than a person at a terminal takes."""


@dataclass
class _Probe:
    """A service, what it answered, and how long that was waited for."""

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
            on_answer=self.note,
            sleep=self._wait,
        )

    def check(self, what: str, level: Level, told: str, remedy: str = "", code: int = 3) -> Check:
        """A line of this service; a failure is one of configuration unless `code` says other."""
        return Check(f"{self.service.name} {what}", level, told, remedy, code)

    def note(self, answer: Answer) -> None:
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
        told = f"{probe.host} redirects elsewhere ({probe.status}); the key was not sent there"
        remedy = f"Set {address} to that address, if you trust it."
        return [probe.check("key", "fail", told, remedy)]
    except (ClipmartError, TimeoutError) as error:
        if isinstance(error, _Busy | TryAgainLater) or probe.status == 429:
            told = "was not tried: its requests of this minute are used up"
            remedy = "Look again in a minute; `clipmart status` shows whether a sync runs."
            return [probe.check("key", "warn", told, remedy)]
        why = f"it answers {probe.status}" if probe.status else "it does not answer"
        remedy = f"Try again later. If it stays so, see that {address} is right."
        return [probe.check("key", "fail", f"could not be tried: {probe.host}: {why}", remedy, 75)]


def _refused(probe: _Probe) -> list[Check]:
    variable = probe.service.key_variable
    if probe.status == 401:
        return [probe.check("key", "fail", "is refused (401)", f"Set {variable} to a valid key.")]
    if probe.service is KLIPIT:
        remedy = f"Give the key in {variable} that scope in Klipit's page, or set another."
        return [
            accepted(probe.service, probe.settings),
            probe.check("scopes", "fail", "jobs:read is missing", remedy),
        ]
    told = f"{_plan(probe).get('plan') or 'this plan'}: it has no API access (403)"
    remedy = f"Change to the plan Growth or above, or set {variable} to another account's key."
    return [accepted(probe.service, probe.settings), probe.check("plan", "fail", told, remedy)]


async def _klipit(probe: _Probe) -> list[Check]:
    client = probe.service.client(probe.api(), probe.settings.now)
    path = probe.settings.account_path(KLIPIT.name) or ""
    reported, account = None, "fails"
    with suppress(RequestFailed):
        reported = await client.read_account(path)
        account = f"answers {probe.status}"
    checks = [accepted(probe.service, probe.settings)]
    if reported is not None:
        scopes = "account:read; jobs:read and clips:read show when a sync asks"
        checks.append(probe.check("balance", "ok", f"{reported['balance']:g} credits"))
        checks.append(probe.check("scopes", "ok", scopes))
        return [*checks, _limits(probe)]
    await client.poll(NO_JOB)
    if not isinstance(probe.answers[-1].body, dict):
        told_by = f"{probe.host} answers {probe.status}, but not in JSON: it may be another server"
        remedy = "See that KLIPIT_BASE_URL is the API's address."
        return [probe.check("key", "warn", told_by, remedy)]
    by_hand = "`clipmart credits BALANCE` notes a balance by hand."
    if account == "answers 403":
        remedy = f"Give the key that scope in Klipit's page. {by_hand}"
        checks.append(probe.check("balance", "warn", "account:read is missing", remedy))
    else:
        remedy = f"Set KLIPIT_ACCOUNT_PATH if you know another path. {by_hand}"
        checks.append(probe.check("balance", "warn", f"is not told: {path} {account}", remedy))
    scopes = "jobs:read; clips:read shows when a sync asks"
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
    learn = client.api.on_answer

    def note(answer: Answer) -> None:
        probe.note(answer)
        learn(answer)

    client.api.on_answer = note
    await client.poll(NO_CAMPAIGN)
    plan = _plan(probe)
    body = probe.answers[-1].body
    if not plan and not (isinstance(body, dict) and body.get("success") is False):
        told = f"{probe.host} answers {probe.status}, but not as Clipus does: it is not its API"
        remedy = "Set CLIPUS_BASE_URL to the API's address, or unset it."
        return [probe.check("key", "fail", told, remedy)]
    checks = [accepted(probe.service, probe.settings)]
    if not plan:
        told = "shows, with its scopes, when a sync reads a campaign"
        return [*checks, probe.check("plan", "ok", told)]
    per_minute = plan["requests_per_minute"]
    if per_minute is None:
        told = f"{plan['plan']}; requests a minute are not told"
        remedy = "Nothing to do: they are sent one at a time."
        checks.append(probe.check("plan", "warn", told, remedy))
    else:
        used = probe.slots.in_use(requests_bucket(probe.key))
        told = f"{plan['plan']}; {used} of {per_minute} requests used this minute"
        checks.append(probe.check("plan", "ok", told))
    scopes = str(plan["scopes"] or "")
    if "campaigns:create" in re.split(r"[\s,]+", scopes):
        return [*checks, probe.check("scopes", "ok", scopes)]
    remedy = "Make a key with that scope; until then `clipmart submit clipus` is refused."
    told = f"campaigns:create is missing ({scopes or 'none are told'})"
    return [*checks, probe.check("scopes", "warn", told, remedy)]


_PROBES = {KLIPIT: _klipit, CLIPUS: _clipus}


def _plan(probe: _Probe) -> Row:
    return plan_headers(probe.answers[-1].headers) or {}


def accepted(service: Service, settings: Settings) -> Check:
    """The line of a key that works, with the host that gets it if it is not the vendor's."""
    key = fingerprint(settings.api_key(service.name) or "")[:6]
    told, host = f"is accepted (fingerprint {key})", settings.foreign_host(service.name)
    if host is None:
        return Check(f"{service.name} key", "ok", told)
    variable = service.address_variable
    told = f"{told} by {host}, not the vendor's own host ({variable})"
    if is_loopback(f"//{host}"):
        return Check(f"{service.name} key", "ok", told)
    return Check(f"{service.name} key", "warn", told, f"If you do not trust it, unset {variable}.")


def _clock(settings: Settings, skews: list[float]) -> list[Check]:
    """This machine's clock against the answers' Date, which has whole seconds."""
    if not skews:
        return []
    skew = max(skews, key=abs)
    level = level_above(abs(skew), CLOCK_SECONDS)
    if level == "ok":
        return [Check("clock", "ok", "agrees with the APIs'")]
    told = f"is {abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} the APIs'"
    remedy = "Let it be set by NTP: `timedatectl set-ntp true`."
    if settings.pinned_now:
        remedy = "Unset CLIPMART_NOW."
    return [Check("clock", level, told, remedy)]
