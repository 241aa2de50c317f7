"""Every report computed again, in Python and pandas, from the definitions alone.

It uses a test's landing rows and shares nothing with the SQL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from itertools import pairwise
from typing import Any

import pandas as pd

Row = dict[str, Any]
FINISHED = {"complete", "completed", "ready", "published", "done"}
FAILED = {"failed", "error", "cancelled", "canceled"}


def expected_reports(tables: dict[str, list[Row]], now: datetime) -> dict[str, list[Row]]:
    """Report name to its rows."""
    data = Landed(tables)
    return {
        "moment_types": moment_types(data),
        "shareability": shareability(data),
        "shareability_weekly": shareability_by("week", data),
        "shareability_monthly": shareability_by("month", data),
        "top_clips": top_clips(data),
        "clips": clips(data),
        "to_post": to_post(data, now),
        "guests": guests(data),
        "show_costs": show_costs(data, now),
        "failures": failures(data),
        "last_7_days": last_7_days(data, now),
        "job_turnaround": job_turnaround(data, now),
        "credit_usage": credit_usage(data, now),
        "video_readiness": video_readiness(data, now),
        "video_readiness_by_platform": video_readiness_by_platform(data),
        "video_quota": video_quota(data),
        "freshness": freshness(tables, now),
    }


def counted(snapshots: list[Row]) -> list[Row]:
    """The balances that count.

    A note by hand counts unless the API reported within the 7 days before it, or later.
    """
    by_api = [row["observed_at"] for row in snapshots if row["origin"] == "api"]
    week = timedelta(days=7)
    counting = [
        row
        for row in snapshots
        if row["origin"] == "api" or not any(at > row["observed_at"] - week for at in by_api)
    ]
    return sorted(counting, key=lambda row: row["observed_at"])


class Landed:
    """The landing rows with what every report asks of them."""

    def __init__(self, tables: dict[str, list[Row]]) -> None:
        def rows(name: str) -> list[Row]:
            return tables.get(name, [])

        self.jobs = rows("klipit.jobs")
        self.clips = [
            {**clip, "moment_type": named(clip["moment_type"])} for clip in rows("klipit.clips")
        ]
        self.snapshots = counted(rows("klipit.account_snapshots"))
        self.job_sightings = rows("klipit.job_observations")
        self.job_submissions = rows("klipit.submissions")
        self.campaigns = rows("clipus.campaigns")
        self.videos = rows("clipus.videos")
        self.campaign_sightings = rows("clipus.campaign_observations")
        self.video_sightings = rows("clipus.video_observations")
        self.campaign_submissions = rows("clipus.submissions")

    @cached_property
    def _clips_by_job(self) -> dict[str, list[Row]]:
        by_job: dict[str, list[Row]] = {}
        for clip in self.clips:
            by_job.setdefault(clip["job_id"], []).append(clip)
        return by_job

    def clips_of(self, job_id: str) -> list[Row]:
        return self._clips_by_job.get(job_id, [])

    def videos_of(self, campaign_id: str) -> list[Row]:
        return [video for video in self.videos if video["campaign_id"] == campaign_id]

    @cache  # noqa: B019 - one test's few rows
    def said(self, job_id: str, field: str) -> Any:
        balances = [
            (row["recorded_at"], row[field])
            for row in self.job_submissions
            if row["job_id"] == job_id and row.get(field) is not None
        ]
        return max(balances)[1] if balances else None

    def status_of(self, job_id: str) -> str:
        return next(str(job["status"]) for job in self.jobs if job["id"] == job_id)

    def episode(self, job_id: str) -> str:
        lines = (self.said(job_id, "description") or "").splitlines()
        titles = [line.strip() for line in lines if line.strip()]
        return str(titles[0] if titles else named(self.said(job_id, "guest_name")) or job_id)


def moment_types(data: Landed) -> list[Row]:
    clips = pd.DataFrame(data.clips)
    scored = clips[clips["shareability_score"].notna()]
    report = []
    for kind, of_kind in clips.groupby("moment_type", dropna=False):
        missing = not isinstance(kind, str)
        of_scored = scored[
            scored["moment_type"].isna() if missing else scored["moment_type"] == kind
        ]
        score = of_scored["shareability_score"]
        report.append(
            {
                "moment_type": None if missing else kind,
                "clips": len(of_kind),
                "share_of_clips": len(of_kind) / len(clips),
                "jobs": of_scored["job_id"].nunique(),
                "mean_score": known(score.mean()),
                "median_score": known(score.median()),
                "p90_score": known(score.quantile(0.9)),
                "best_score": known(score.max()),
                "mean_duration_seconds": known(of_scored["duration_seconds"].mean()),
                "lift": known(score.mean() - scored["shareability_score"].mean()),
            }
        )
    return report


def shareability(data: Landed) -> list[Row]:
    report = []
    for job in data.jobs:
        if job["status"] not in FINISHED:
            continue
        clips = data.clips_of(job["id"])
        ranked = best_first(clips)
        best = ranked[0] if ranked else {}
        report.append(
            {
                "job_id": job["id"],
                "show_name": data.said(job["id"], "show_name"),
                "guest_name": data.said(job["id"], "guest_name"),
                "created_at": job["created_at"],
                "clips": len(clips),
                "mean_score": mean(scores(clips)),
                "median_score": median(scores(clips)),
                "best_score": best.get("shareability_score"),
                "best_clip_id": best.get("id"),
                "best_hook": best.get("hook_suggestion"),
                "clips_80_plus": sum(score >= 80 for score in scores(clips)),
                "episode": data.episode(job["id"]),
                "source_seconds": job["duration_seconds"],
            }
        )
    return report


def shareability_by(period: str, data: Landed) -> list[Row]:
    groups: dict[tuple[Any, Any], list[str]] = {}
    for job in data.jobs:
        if job["status"] in FINISHED:
            day = utc_day(job["created_at"])
            if day:
                day -= timedelta(days=day.weekday() if period == "week" else day.day - 1)
            groups.setdefault((day, data.said(job["id"], "show_name")), []).append(job["id"])
    report = []
    for (first_day, show), job_ids in groups.items():
        clips = [clip for clip in data.clips if clip["job_id"] in job_ids]
        report.append(
            {
                period: first_day,
                "show_name": show,
                "jobs": len(job_ids),
                "clips": len(clips),
                "mean_score": mean(scores(clips)),
                "median_score": median(scores(clips)),
                "best_score": max(scores(clips), default=None),
                "clips_80_plus": sum(score >= 80 for score in scores(clips)),
                "scored_clips": len(scores(clips)),
            }
        )
    return report


def top_clips(data: Landed) -> list[Row]:
    jobs = {job["id"]: job for job in data.jobs}
    return [
        {
            "rank": rank,
            "clip_id": clip["id"],
            "job_id": clip["job_id"],
            "show_name": data.said(clip["job_id"], "show_name"),
            "guest_name": data.said(clip["job_id"], "guest_name"),
            "moment_type": clip["moment_type"],
            "score": clip["shareability_score"],
            "hook_suggestion": clip["hook_suggestion"],
            "start_seconds": clip["start_seconds"],
            "end_seconds": clip["end_seconds"],
            "duration_seconds": clip["duration_seconds"],
            "media_url": clip["media_url"],
            "created_at": jobs[clip["job_id"]]["created_at"],
        }
        for rank, clip in enumerate(best_first(data.clips)[:500], start=1)
    ]


def times(clip: Row) -> tuple[float, float] | None:
    start, end = clip["start_seconds"], clip["end_seconds"]
    return None if start is None or end is None or end <= start else (start, end)


def share_shown(clip: Row, by: Row) -> float:
    """The part of a clip that another shows too, summed over the stretches between their ends."""
    own, other = times(clip), times(by)
    if own is None or other is None:
        return 0.0
    stretches = pairwise(sorted({*own, *other}))
    shared = [
        end - start
        for start, end in stretches
        if own[0] <= start and end <= own[1] and other[0] <= start and end <= other[1]
    ]
    return sum(shared) / (own[1] - own[0])


def overlapped(data: Landed) -> set[str]:
    """Ids of the clips of which a better one of the job shows more than half."""
    ids = set()
    for job in data.jobs:
        ranked = best_first(data.clips_of(job["id"]))
        ids |= {
            clip["id"]
            for clip in ranked
            for other in ranked
            if other["shareability_score"] > clip["shareability_score"]
            and share_shown(clip, other) > 0.5
        }
    return ids


def clips(data: Landed) -> list[Row]:
    jobs = {job["id"]: job for job in data.jobs}
    worse = overlapped(data)
    report = []
    for clip in data.clips:
        job_id = clip["job_id"]
        length, start = jobs[job_id]["duration_seconds"], clip["start_seconds"]
        placed = bool(length) and start is not None and 0 <= start <= length
        report.append(
            {
                "clip_id": clip["id"],
                "job_id": job_id,
                "episode": data.episode(job_id),
                "show_name": data.said(job_id, "show_name"),
                "guest_name": data.said(job_id, "guest_name"),
                "moment_type": clip["moment_type"],
                "score": clip["shareability_score"],
                "reason": clip.get("reason"),
                "hook_suggestion": clip["hook_suggestion"],
                "start_seconds": start,
                "end_seconds": clip["end_seconds"],
                "duration_seconds": clip["duration_seconds"],
                "position": start / length if placed else None,
                "overlaps_better": clip["id"] in worse,
                "media_url": clip["media_url"],
                "created_at": jobs[job_id]["created_at"],
            }
        )
    return report


def to_post(data: Landed, now: datetime) -> list[Row]:
    recent = {
        job["id"]: job
        for job in data.jobs
        if job["status"] in FINISHED
        and job["created_at"]
        and now - job["created_at"] <= timedelta(days=30)
    }
    worse = overlapped(data)
    chosen: dict[str, Row] = {}
    for clip in best_first(data.clips):
        if clip["job_id"] in recent and clip["id"] not in worse:
            chosen.setdefault(clip["job_id"], clip)
    report = []
    for rank, (job_id, clip) in enumerate(chosen.items(), start=1):
        show = data.said(job_id, "show_name")
        of_show = [
            other
            for other in data.clips
            if data.said(other["job_id"], "show_name") == show
            and data.status_of(other["job_id"]) in FINISHED
        ]
        above = clip["shareability_score"] - (median(scores(of_show)) or 0)
        points = math.floor(abs(above) + 0.5)
        median_of = "the median of " + ("its show" if named(show) else "the clips without a show")
        report.append(
            {
                "rank": rank,
                "clip_id": clip["id"],
                "job_id": job_id,
                "episode": data.episode(job_id),
                "show_name": show,
                "guest_name": data.said(job_id, "guest_name"),
                "moment_type": clip["moment_type"],
                "score": clip["shareability_score"],
                "why": f"{points} point{'s' * (points != 1)} "
                f"{'above' if above > 0 else 'below'} {median_of}"
                if points
                else f"About {median_of}",
                "above_show_median": above,
                "reason": clip.get("reason"),
                **{
                    name: clip[name]
                    for name in (
                        "hook_suggestion",
                        "start_seconds",
                        "end_seconds",
                        "duration_seconds",
                        "media_url",
                    )
                },
                "created_at": recent[job_id]["created_at"],
            }
        )
    return report


def guests(data: Landed) -> list[Row]:
    shows: dict[Any, list[str]] = {}
    groups: dict[tuple[Any, str], list[str]] = {}
    for job in data.jobs:
        if job["status"] in FINISHED:
            show, guest = data.said(job["id"], "show_name"), data.said(job["id"], "guest_name")
            shows.setdefault(show, []).append(job["id"])
            if named(guest):
                groups.setdefault((show, guest), []).append(job["id"])
    report = []
    for (show, guest), job_ids in groups.items():
        theirs = [clip for job_id in job_ids for clip in data.clips_of(job_id)]
        of_show = [clip for job_id in shows[show] for clip in data.clips_of(job_id)]
        scored = {clip["job_id"] for clip in of_show if clip["shareability_score"] is not None}
        average, overall = mean(scores(theirs)), mean(scores(of_show))
        report.append(
            {
                "show_name": show,
                "guest_name": guest,
                "jobs": len(job_ids),
                "clips": len(theirs),
                "mean_score": average,
                "median_score": median(scores(theirs)),
                "best_score": max(scores(theirs), default=None),
                "clips_80_plus": sum(score >= 80 for score in scores(theirs)),
                "lift": average - overall if average is not None and overall is not None else None,
                "enough_episodes": len(scored & set(job_ids)) >= 3
                and len(scored - set(job_ids)) >= 3,
            }
        )
    return report


def show_costs(data: Landed, now: datetime) -> list[Row]:
    credits: dict[Any, list[float]] = {}
    clips_of_show: dict[Any, list[Row]] = {}
    for day in credit_usage(data, now):
        jobs = [job for job in data.jobs if utc_day(job["created_at"]) == day["day"]]
        lengths = [job["duration_seconds"] or None for job in jobs]
        average = mean([length for length in lengths if length]) or 1
        weights = [length or average for length in lengths]
        if day["credits_used"] is None:
            continue
        for job, weight in zip(jobs, weights, strict=True):
            show = data.said(job["id"], "show_name")
            credits.setdefault(show, []).append(day["credits_used"] * weight / math.fsum(weights))
            if job["status"] in FINISHED:
                clips_of_show.setdefault(show, []).extend(data.clips_of(job["id"]))
    report = []
    for show, parts in credits.items():
        of_show, total = clips_of_show.get(show, []), math.fsum(parts)
        good = sum(score >= 80 for score in scores(of_show))
        report.append(
            {
                "show_name": show,
                "jobs": len(parts),
                "clips": len(of_show),
                "clips_80_plus": good,
                "credits": total,
                "credits_per_clip": total / len(of_show) if of_show else None,
                "credits_per_clip_80_plus": total / good if good else None,
            }
        )
    return report


def failures(data: Landed) -> list[Row]:
    def first_seen(sightings: list[Row], row: Row, **ids: str) -> datetime:
        seen = [
            sighting["observed_at"]
            for sighting in sightings
            if sighting["status"] in FAILED
            and all(sighting[name] == value for name, value in ids.items())
        ]
        first: datetime = min(seen, default=row["observed_at"])
        return first

    report = [
        {
            "service": "klipit",
            "kind": "job",
            "id": job["id"],
            "video_id": None,
            "name": data.said(job["id"], "show_name"),
            "episode": data.episode(job["id"]),
            "status": job["status"],
            "error": job["error"],
            "created_at": job["created_at"],
            "seen_at": first_seen(data.job_sightings, job, job_id=job["id"]),
        }
        for job in data.jobs
        if job["status"] in FAILED
    ]
    for campaign in data.campaigns:
        campaign_id = campaign["campaign_id"]
        things: list[tuple[str, Row]] = [("campaign", campaign)]
        things += [("video", video) for video in data.videos_of(campaign_id)]
        for kind, row in things:
            if row["status"] not in FAILED:
                continue
            ids = {"campaign_id": campaign_id}
            ids |= {"video_id": row["id"]} if kind == "video" else {}
            sightings = data.video_sightings if kind == "video" else data.campaign_sightings
            report.append(
                {
                    "service": "clipus",
                    "kind": kind,
                    "id": campaign_id,
                    "video_id": ids.get("video_id"),
                    "name": campaign["title"] or campaign["url"],
                    "episode": None,
                    "status": row["status"],
                    "error": None,
                    "created_at": campaign["created_at"],
                    "seen_at": first_seen(sightings, row, **ids),
                }
            )
    return report


def last_7_days(data: Landed, now: datetime) -> list[Row]:
    episodes = shareability(data)
    campaigns = video_readiness(data, now)
    stuck = [row for row in [*job_turnaround(data, now), *campaigns] if row["stuck"]]

    def in_days(rows: Iterable[Row], weeks: int, column: str = "created_at") -> list[Row]:
        begins, ends = timedelta(days=7 * weeks + 7), timedelta(days=7 * weeks)
        return [
            row
            for row in rows
            if row[column]
            and now - row[column] < begins
            and (now - row[column] >= ends or not weeks)
        ]

    def used(weeks: int) -> float | None:
        begins = now - timedelta(days=7 * weeks + 7)
        if not any(snapshot["observed_at"] <= begins for snapshot in data.snapshots):
            return None
        steps = [
            {"observed_at": later["observed_at"], "used": earlier["balance"] - later["balance"]}
            for earlier, later in pairwise(data.snapshots)
        ]
        return sum((max(row["used"], 0) for row in in_days(steps, weeks, "observed_at")), 0.0)

    def mean_score(weeks: int) -> float | None:
        ids = [row["job_id"] for row in in_days(episodes, weeks)]
        return mean(scores(clip for job_id in ids for clip in data.clips_of(job_id)))

    metrics: dict[str, Callable[[int], float | None]] = {
        "new_clips": lambda w: sum(row["clips"] for row in in_days(episodes, w)),
        "episodes": lambda w: len(in_days(episodes, w)),
        "clips_80_plus": lambda w: sum(row["clips_80_plus"] for row in in_days(episodes, w)),
        "mean_score": mean_score,
        "videos_ready": lambda w: sum(row["ready"] for row in in_days(campaigns, w)),
        "published": lambda w: len(in_days(data.videos, w, "published_at")),
        "credits_used": used,
        "failures": lambda w: len(in_days(failures(data), w)),
        "stuck": lambda w: len(in_days(stuck, w)),
    }
    report = []
    for metric, count in metrics.items():
        value, before = count(0), count(1)
        known = value is not None and before is not None
        change = (value or 0) - (before or 0) if known else None
        report.append({"metric": metric, "value": value, "before": before, "change": change})
    return report


def job_turnaround(data: Landed, now: datetime) -> list[Row]:
    report = []
    for job in data.jobs:
        first_known = min(
            (r["recorded_at"] for r in data.job_submissions if r["job_id"] == job["id"]),
            default=None,
        )
        began = job["created_at"] or first_known
        gone = latest_status(data.job_sightings, "job_id", job["id"]) == "not_found"
        unfinished = job["status"] not in FINISHED | FAILED
        both = job["created_at"] and job["completed_at"]
        report.append(
            {
                "job_id": job["id"],
                "show_name": data.said(job["id"], "show_name"),
                "status": job["status"],
                "created_at": job["created_at"],
                "completed_at": job["completed_at"],
                "turnaround_seconds": (
                    (job["completed_at"] - job["created_at"]).total_seconds() if both else None
                ),
                "source_seconds": job["duration_seconds"],
                "stuck": bool(
                    unfinished and not gone and began and now - began >= timedelta(hours=2)
                ),
                "episode": data.episode(job["id"]),
            }
        )
    return report


def credit_usage(data: Landed, now: datetime) -> list[Row]:
    complete = [job for job in data.jobs if job["status"] in FINISHED and job["completed_at"]]
    events = [
        *(job["created_at"] for job in data.jobs if job["created_at"]),
        *(min(job["completed_at"], job["observed_at"]) for job in complete),
        *(snapshot["observed_at"] for snapshot in data.snapshots),
    ]
    if not events:
        return []
    report: list[Row] = []
    close: float | None = None
    for day in pd.date_range(
        min(events).astimezone(UTC).date(), max(events).astimezone(UTC).date()
    ).date:
        opened, used, added = close, 0.0, 0.0
        for snapshot in data.snapshots:
            if utc_day(snapshot["observed_at"]) != day:
                continue
            if close is None:
                opened = close = snapshot["balance"]
            used += max(close - snapshot["balance"], 0)
            added += max(snapshot["balance"] - close, 0)
            close = snapshot["balance"]
        submitted = sum(utc_day(job["created_at"]) == day for job in data.jobs)
        done = [job for job in complete if utc_day(job["completed_at"]) == day]
        clips = sum(len(data.clips_of(job["id"])) for job in done)
        unknown = close is None
        whole = [row["credits_used"] for row in report if row["day"] < now.astimezone(UTC).date()]
        if day < now.astimezone(UTC).date():
            whole.append(None if unknown else used)
        recent = [value for value in whole if value is not None][-7:]
        burn = mean(recent) if len(recent) >= 3 else None
        report.append(
            {
                "day": day,
                "balance_open": opened,
                "balance_close": close,
                "credits_used": None if unknown else used,
                "credits_added": None if unknown else added,
                "jobs_submitted": submitted,
                "jobs_completed": len(done),
                "source_minutes": sum(job["duration_seconds"] or 0 for job in done) / 60,
                "clips": clips,
                "credits_per_job": None if unknown or not submitted else used / submitted,
                "credits_per_clip": None if unknown or not clips else used / clips,
                "burn_7d": burn,
                "days_left": close / burn if close is not None and burn else None,
            }
        )
    return report


def video_readiness(data: Landed, now: datetime) -> list[Row]:
    report = []
    for campaign in data.campaigns:
        campaign_id = campaign["campaign_id"]
        videos = data.videos_of(campaign_id)
        counts = video_counts(videos)
        ready_at = first_ready_at(data, campaign_id)
        submitted = [
            row for row in data.campaign_submissions if row.get("campaign_id") == campaign_id
        ]
        began = campaign["created_at"] or min(
            (row["recorded_at"] for row in submitted), default=None
        )
        age = now - began if began else timedelta(0)
        gone = latest_status(data.campaign_sightings, "campaign_id", campaign_id) == "not_found"
        finished, failed = campaign["status"] in FINISHED, campaign["status"] in FAILED
        at_rest = all(v["status"] in FAILED or v["published_at"] for v in videos)
        waiting = (not finished and not failed) or (finished and counts["pending"] > 0)
        report.append(
            {
                "campaign_id": campaign_id,
                "title": campaign["title"],
                "url": campaign["url"],
                "status": campaign["status"],
                "created_at": campaign["created_at"],
                "languages": campaign["languages"],
                **counts,
                "first_ready_at": ready_at,
                "hours_to_ready": (
                    (ready_at - campaign["created_at"]).total_seconds() / 3600
                    if ready_at and campaign["created_at"]
                    else None
                ),
                "settled": gone or failed or (finished and at_rest) or age >= timedelta(days=14),
                "stuck": waiting and not gone and age >= timedelta(hours=24),
            }
        )
    return report


def first_ready_at(data: Landed, campaign_id: str) -> datetime | None:
    sightings = [r for r in data.video_sightings if r["campaign_id"] == campaign_id]
    ready = [r["observed_at"] for r in sightings if r["status"] in FINISHED]
    if not ready:
        return None
    unready = [r["observed_at"] for r in sightings]
    unready += [
        r["observed_at"] for r in data.campaign_sightings if r["campaign_id"] == campaign_id
    ]
    unready += [
        r["submitted_at"]
        for r in data.campaign_submissions
        if r.get("campaign_id") == campaign_id and r["origin"] == "submit"
    ]
    return min(ready) if any(instant < min(ready) for instant in unready) else None


def video_readiness_by_platform(data: Landed) -> list[Row]:
    report = []
    for platform in {video["platform"] for video in data.videos}:
        counts = video_counts([video for video in data.videos if video["platform"] == platform])
        ended = counts["ready"] + counts["failed"]
        share = {"failed_share": counts["failed"] / ended if ended else None}
        report.append({"platform": platform, **counts, **share})
    return report


def video_counts(videos: list[Row]) -> Row:
    ready = sum(video["status"] in FINISHED for video in videos)
    failed = sum(video["status"] in FAILED for video in videos)
    return {
        "videos": len(videos),
        "ready": ready,
        "failed": failed,
        "pending": len(videos) - ready - failed,
        "published": sum(video["published_at"] is not None for video in videos),
        "readiness": ready / len(videos) if videos else None,
    }


def video_quota(data: Landed) -> list[Row]:
    report: dict[Any, Row] = {}

    def month(instant: datetime | None) -> Row:
        day = utc_day(instant)
        first = day and day.replace(day=1)
        empty = {"month": first, "campaigns": 0, "videos": 0, "quota": None, "quota_seen_at": None}
        return report.setdefault(first, empty)

    for campaign in data.campaigns:
        row = month(campaign["created_at"])
        row["campaigns"] += 1
        row["videos"] += len(data.videos_of(campaign["campaign_id"]))
    for refused in sorted(data.campaign_submissions, key=lambda r: r["recorded_at"]):
        quota = re.search(r"monthly.*\(\s*\d+\s*/\s*(\d+)\s*\)", refused.get("error") or "", re.I)
        if quota:
            row = month(refused["recorded_at"])
            row["quota"], row["quota_seen_at"] = int(quota[1]), refused["recorded_at"]
    return list(report.values())


def freshness(tables: dict[str, list[Row]], now: datetime) -> list[Row]:
    instants = {
        "klipit.submissions": "recorded_at",
        "clipus.submissions": "recorded_at",
        "klipit.webhook_events": "received_at",
        "klipit.exports": "requested_at",
        "clipmart.sync_runs": "finished_at",
        "clipmart.rejected_records": "seen_at",
        **{
            f"klipit.{name}": "observed_at"
            for name in ("jobs", "clips", "clip_reads", "job_observations", "account_snapshots")
        },
        **{
            f"clipus.{name}": "observed_at"
            for name in (
                "campaigns",
                "videos",
                "campaign_observations",
                "video_observations",
                "plan_observations",
            )
        },
    }
    report = []
    for name, column in instants.items():
        rows = tables.get(name, [])
        last = max((row[column] for row in rows), default=None)
        report.append(
            {
                "table_name": name,
                "row_count": len(rows),
                "last_observed_at": last,
                "hours_old": (now - last).total_seconds() / 3600 if last else None,
            }
        )
    return report


def best_first(clips: Iterable[Row]) -> list[Row]:
    """Scored clips: the highest score, then the earlier start (unknown last), then the id."""

    def order(clip: Row) -> tuple[float, float, str]:
        start = clip["start_seconds"]
        return -clip["shareability_score"], math.inf if start is None else start, clip["id"]

    return sorted((c for c in clips if c["shareability_score"] is not None), key=order)


def scores(clips: Iterable[Row]) -> list[float]:
    return [c["shareability_score"] for c in clips if c["shareability_score"] is not None]


def mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def median(values: list[float]) -> float | None:
    return float(pd.Series(values).median()) if values else None


def known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def named(text: str | None) -> str | None:
    """The text, or None if it is blank."""
    return text if text and text.strip() else None


def utc_day(instant: datetime | None) -> date | None:
    return instant.astimezone(UTC).date() if instant else None


def latest_status(sightings: Iterable[Row], key: str, value: str) -> str | None:
    of_it = [r for r in sightings if r[key] == value]
    newest: Callable[[Row], datetime] = lambda r: r["observed_at"]  # noqa: E731
    return max(of_it, key=newest)["status"] if of_it else None
