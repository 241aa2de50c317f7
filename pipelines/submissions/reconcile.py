"""Matching submissions whose answer was lost with the job or campaign that they created.

A Clipus campaign has its url: it is matched with an unknown submission of that url, if it was
created about then and belongs to no other. A Klipit job does not report its source: its job.created
event is matched only if no other job and no other submission fit, and the match says so in `error`.
A wrong match is corrected with `clipmart track klipit --from FILE`, which gives a job its own
metadata.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.landing.store import Landing
from pipelines.landing.tables import tracked
from pipelines.ledger.ledger import Event
from pipelines.service import SERVICES
from sources.shared.values import digest

from .request import same_url

BY_TIME = "The answer was lost; matched by time with the only job created then."
CREATED_WITHIN = timedelta(minutes=10)
CLOCKS_DIFFER = timedelta(minutes=1)
# A campaign is created while its POST is open; the rest allows for wrong clocks and for campaigns
# that a person tracks from about that time.
CAMPAIGN_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Unknown:
    """A submission whose outcome is unknown."""

    submission_id: str
    url: str | None
    submitted_at: datetime


@dataclass(frozen=True)
class Unclaimed:
    """A job or campaign that no recorded submission is known to have created."""

    id: str
    url: str | None
    created_at: datetime | None


def match_lost_answers(landing: Landing, service: str, now: datetime) -> list[Event]:
    """Events that tie landed jobs and campaigns to submissions; to be added to the ledger."""
    record, execute = SERVICES[service], landing.connection.execute
    if record.unclaimed is None:
        return []
    unknown = [
        Unknown(*row)
        for row in execute(
            f"""SELECT submission_id, {record.url_name}, submitted_at FROM {service}.submissions
                WHERE state = 'unknown' AND submitted_at IS NOT NULL ORDER BY submitted_at"""
        ).fetchall()
    ]
    if not unknown:
        return []
    sql = record.unclaimed.replace("$tracked", tracked(landing.connection, service))
    unclaimed = [Unclaimed(*row) for row in execute(sql).fetchall()]
    matches = (
        match_by_url(unknown, unclaimed)
        if record.ties_by_url
        else match_by_time(unknown, unclaimed, now)
    )
    return [
        Event(
            service,
            "tie",
            digest("tie", intent, id_),
            id_,
            now,
            {
                "intent_id": intent,
                record.id_name: id_,
                "outcome": "known",
                "error": None if record.ties_by_url else BY_TIME,
            },
        )
        for intent, id_ in matches
    ]


def match_by_url(
    unknown: Iterable[Unknown], unclaimed: Iterable[Unclaimed]
) -> list[tuple[str, str]]:
    """(submission, campaign): the campaign of the same url that was created nearest in time."""
    matches: list[tuple[str, str]] = []
    left = {campaign.id: campaign for campaign in unclaimed if campaign.url}
    for intent in unknown:
        candidates = []
        for campaign in left.values():
            apart = abs((campaign.created_at or intent.submitted_at) - intent.submitted_at)
            if apart <= CAMPAIGN_WITHIN and same_url(campaign.url or "", intent.url or ""):
                candidates.append((apart, campaign.id))
        if candidates:
            _, id_ = min(candidates)
            del left[id_]
            matches.append((intent.submission_id, id_))
    return matches


def match_by_time(
    unknown: Iterable[Unknown], unclaimed: Iterable[Unclaimed], now: datetime
) -> list[tuple[str, str]]:
    """(submission, job) if each is the other's only candidate and no other can appear any more.

    A file's upload may take longer than the window, so a file is never matched by time.
    """
    fits: dict[str, list[str]] = defaultdict(list)
    wanted: dict[str, list[str]] = defaultdict(list)
    jobs = list(unclaimed)
    for intent in unknown:
        first = intent.submitted_at - CLOCKS_DIFFER
        last = intent.submitted_at + CREATED_WITHIN
        for job in jobs:
            if job.created_at is not None and first <= job.created_at <= last:
                wanted[job.id].append(intent.submission_id)
                if intent.url is not None and last < now:
                    fits[intent.submission_id].append(job.id)
    return [
        (intent, jobs_in_time[0])
        for intent, jobs_in_time in fits.items()
        if len(jobs_in_time) == 1 and len(wanted[jobs_in_time[0]]) == 1
    ]
