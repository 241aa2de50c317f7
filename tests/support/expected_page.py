"""What only the page shows, computed again in pandas, from the definitions alone."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tests.support.expected_reports import (
    FAILED,
    FINISHED,
    Landed,
    Row,
    credit_usage,
    scores,
    shareability_by,
    video_readiness,
)


def expected_page(tables: dict[str, list[Row]], now: datetime) -> dict[str, list[Row]]:
    """Model name to its rows."""
    data = Landed(tables)
    return {
        "page_totals": [totals(data, tables, now)],
        "page_weeks": by("week", data),
        "show_scores": show_scores(data),
        "best_show": best_show(data),
        "page_score_spread": score_spread(data),
        "page_score_marks": score_marks(data),
        "page_costs": [costs(data, now)],
        "page_platforms": platforms(data),
        "page_show_weeks": show_weeks(data),
    }


def totals(data: Landed, tables: dict[str, list[Row]], now: datetime) -> Row:
    jobs, clips = pd.DataFrame(data.jobs), pd.DataFrame(data.clips)
    campaigns = pd.DataFrame(video_readiness(data, now))
    states = [row["state"] for s in ("klipit", "clipus") for row in tables[f"{s}.submissions"]]
    newest = campaigns["created_at"].max()
    lately = campaigns["created_at"] > newest - timedelta(days=7)
    finished, failed = jobs["status"].isin(FINISHED), jobs["status"].isin(FAILED)
    return {
        "jobs": len(jobs),
        "jobs_finished": int(finished.sum()),
        "jobs_failed": int(failed.sum()),
        "jobs_running": int((~finished & ~failed).sum()),
        "first_job_at": jobs["created_at"].min(),
        "last_job_at": jobs["created_at"].max(),
        "clips": len(clips),
        "clips_80_plus": int((clips["shareability_score"] >= 80).sum()),
        "median_score": float(clips["shareability_score"].median()),
        "campaigns": len(campaigns),
        **{
            kind: int(campaigns[kind].sum())
            for kind in ("videos", "ready", "failed", "pending", "published")
        },
        "failed_lately": int(campaigns[lately]["failed"].sum()),
        "first_campaign_at": campaigns["created_at"].min(),
        "last_campaign_at": campaigns["created_at"].max(),
        "submissions_known": states.count("known"),
        "submissions_unknown": states.count("unknown"),
    }


def by(what: str, data: Landed) -> list[Row]:
    """Complete jobs and their clips by the job's week or show."""
    jobs = pd.DataFrame(job for job in data.jobs if job["status"] in FINISHED)
    day = pd.to_datetime(jobs["created_at"], utc=True).dt.tz_localize(None).dt.normalize()
    jobs["week"] = day.dt.to_period("W-SUN").dt.start_time
    jobs["show_name"] = [data.said(job_id, "show_name") for job_id in jobs["id"]]
    clips = pd.DataFrame(data.clips).merge(
        jobs[["id", what]], left_on="job_id", right_on="id", suffixes=("", "_of_job")
    )
    rows = []
    key: Any
    for key, of_key in jobs.groupby(what, dropna=False):
        missing = pd.isna(key)
        same = clips[what].isna() if missing else clips[what] == key
        score = clips[same]["shareability_score"]
        scored = score.dropna()
        rows.append(
            {
                what: None if missing else key.date() if what == "week" else key,
                "jobs": len(of_key),
                "clips": len(score),
                "mean_score": number(scored.mean()),
                "p25_score": number(scored.quantile(0.25)),
                "median_score": number(scored.median()),
                "p75_score": number(scored.quantile(0.75)),
                "clips_80_plus": int((score >= 80).sum()),
            }
        )
    return rows


def show_scores(data: Landed) -> list[Row]:
    """By show, with the uncertainty of its mean: each episode's weight and distance from it."""
    report = by("show_name", data)
    for row in report:
        episodes = [
            values
            for job in data.jobs
            if job["status"] in FINISHED and data.said(job["id"], "show_name") == row["show_name"]
            if (values := np.array(scores(data.clips_of(job["id"])))).size
        ]
        row["scored_jobs"] = len(episodes)
        row["standard_error"] = None
        if len(episodes) > 1:
            distances = [len(values) * (values.mean() - row["mean_score"]) for values in episodes]
            spread = float(np.std(distances, ddof=1)) * math.sqrt(len(episodes))
            row["standard_error"] = spread / sum(len(values) for values in episodes)
    return report


def best_show(data: Landed) -> list[Row]:
    """The named show of five episodes or more that leads each other one beyond chance."""
    shows = [row for row in show_scores(data) if row["show_name"] and row["scored_jobs"] >= 5]
    shows.sort(key=lambda row: -row["mean_score"])
    if len(shows) < 2:
        return []
    best, *others = shows
    for other in others:
        apart = math.hypot(best["standard_error"], other["standard_error"])
        if best["mean_score"] - other["mean_score"] <= 1.645 * apart:
            return []
    return [
        {
            "show_name": best["show_name"],
            "scored_jobs": best["scored_jobs"],
            "mean_score": best["mean_score"],
            "lead": best["mean_score"] - others[0]["mean_score"],
        }
    ]


def platforms(data: Landed) -> list[Row]:
    """Each video counts as published, or else by its status."""
    states: dict[Any, Counter[str]] = defaultdict(Counter)
    for video in data.videos:
        name, status = video["platform"], video["status"]
        state = "ready" if status in FINISHED else "failed" if status in FAILED else "pending"
        states[name if name and name.strip() else None][
            "published" if video["published_at"] else state
        ] += 1
    kinds = ("published", "ready", "pending", "failed")
    return [
        {"platform": name, "videos": of.total(), **{kind: of[kind] for kind in kinds}}
        for name, of in states.items()
    ]


def show_weeks(data: Landed) -> list[Row]:
    """Of the nine shows with the most clips, the median of every week that has one."""
    shows = [row for row in by("show_name", data) if row["median_score"] is not None]
    shows.sort(key=lambda row: (-row["clips"], row["show_name"] is None, row["show_name"]))
    return [
        {
            "show_name": show["show_name"],
            "week": row["week"],
            "median_score": row["median_score"],
            "show_jobs": show["jobs"],
            "show_clips": show["clips"],
            "show_median_score": show["median_score"],
        }
        for show in shows[:9]
        for row in shareability_by("week", data)
        if row["show_name"] == show["show_name"] and row["week"] and row["median_score"] is not None
    ]


def score_spread(data: Landed) -> list[Row]:
    clips = pd.DataFrame(data.clips)
    return [
        {
            "moment_type": None if pd.isna(kind) else kind,
            "min_score": number(score.min()),
            **{f"p{p}_score": number(score.quantile(p / 100)) for p in (10, 25, 75)},
        }
        for kind, score in clips.groupby("moment_type", dropna=False)["shareability_score"]
    ]


def score_marks(data: Landed) -> list[Row]:
    """Each score moved to the nearest of 101 places from the lowest shown to the highest."""
    clips = pd.DataFrame(data.clips).dropna(subset="shareability_score")
    score = clips["shareability_score"]
    p10, p90 = score.quantile(0.1), score.quantile(0.9)
    low = max(score.min(), p10 - 3 * (p90 - p10))
    high = min(score.max(), p90 + 3 * (p90 - p10))
    places = np.linspace(low, high, 101)
    clips["mark"] = [float(places[np.abs(places - s).argmin()]) for s in score]
    sizes = clips.groupby(["moment_type", "mark"], dropna=False).size()
    counts: dict[Any, int] = sizes.to_dict()
    return [
        {"moment_type": None if pd.isna(kind) else kind, "score": mark, "clips": int(count)}
        for (kind, mark), count in counts.items()
    ]


def costs(data: Landed, now: datetime) -> Row:
    days = pd.DataFrame(credit_usage(data, now)).dropna(subset="credits_used")
    used = days["credits_used"].sum()
    return {
        "credits_used": float(used),
        "credits_per_job": float(used / days["jobs_submitted"].sum()),
        "credits_per_clip": float(used / days["clips"].sum()),
    }


def number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
