"""Submissions whose answer was lost, tied to the job or campaign that they became.

A Clipus campaign tells its url: an unknown submission of that url takes it, if nobody else claims
it and it was made about then. A Klipit job tells nothing of its source: its job.created event ties
it only where no other job and no other submission fit, and the tie says so in `error`. A wrong
guess is mended with `clipmart track klipit --from FILE`, which gives a job its own metadata.
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
# A campaign is made while its POST is open; the rest allows for clocks and for what a person
# tracks of about that time.
CAMPAIGN_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Unknown:
    """A submission whose outcome is unknown."""

    submission_id: str
    url: str | None
    submitted_at: datetime


@dataclass(frozen=True)
class Unclaimed:
    """A job or campaign that no submission of ours is known to have become."""

    id: str
    url: str | None
    created_at: datetime | None


def find_ties(landing: Landing, service: str, now: datetime) -> list[Event]:
    """Events that tie what is landed; to be added to the ledger and drained."""
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
    by_time_alone = not record.ties_by_url
    ties = by_time(unknown, unclaimed, now) if by_time_alone else by_url(unknown, unclaimed)
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
                "error": BY_TIME if by_time_alone else None,
            },
        )
        for intent, id_ in ties
    ]


def by_url(unknown: Iterable[Unknown], unclaimed: Iterable[Unclaimed]) -> list[tuple[str, str]]:
    """(submission, campaign): the campaign of its url that was made nearest to it."""
    ties: list[tuple[str, str]] = []
    left = {campaign.id: campaign for campaign in unclaimed if campaign.url}
    for intent in unknown:
        fitting = []
        for campaign in left.values():
            apart = abs((campaign.created_at or intent.submitted_at) - intent.submitted_at)
            if apart <= CAMPAIGN_WITHIN and same_url(campaign.url or "", intent.url or ""):
                fitting.append((apart, campaign.id))
        if fitting:
            _, id_ = min(fitting)
            del left[id_]
            ties.append((intent.submission_id, id_))
    return ties


def by_time(
    unknown: Iterable[Unknown], unclaimed: Iterable[Unclaimed], now: datetime
) -> list[tuple[str, str]]:
    """(submission, job) where each is the other's only candidate, once no other can appear.

    A file's upload takes longer than any window, so a file is never tied by time.
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
        (intent, found[0])
        for intent, found in fits.items()
        if len(found) == 1 and len(wanted[found[0]]) == 1
    ]
