"""The content of the page, from the published file: rows of the reports, and marks for charts.

What only the page shows (totals, all shows together, the spread of scores) comes from the models
`staging.page_*`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import duckdb

from pipelines.health.attention import (
    failures,
    not_loaded_words,
    rejected_counts,
    rejected_words,
)
from pipelines.health.checks import CREDIT_DAYS, SYNC_HOURS
from pipelines.landing.rejected import rejected_sql
from pipelines.reports.cells import is_beyond
from pipelines.reports.rows import fetch
from pipelines.service import SERVICES
from pipelines.warehouse.read import report_name

from . import charts

Row = dict[str, Any]
TABLE_ROWS = 50
SHOWS = 9
MOMENT_TYPES = 12
WEEKS = 104
DAYS = 90

_MOMENT_TYPES = """
SELECT types.*, spread.* EXCLUDE (moment_type)
FROM reports.moment_types AS types
INNER JOIN staging.page_score_spread AS spread
  ON spread.moment_type IS NOT DISTINCT FROM types.moment_type
ORDER BY types.mean_score DESC NULLS LAST, types.moment_type
"""

_STUCK_JOBS = """
SELECT job_id AS id, show_name AS name, status, created_at
FROM reports.job_turnaround WHERE stuck
"""
_STUCK_CAMPAIGNS = """
SELECT campaign_id AS id, COALESCE(title, url) AS name, status, created_at, ready, videos
FROM reports.video_readiness WHERE stuck
"""

_REJECTED = f"""
SELECT source, endpoint, reason, COUNT(*) AS records, MAX(seen_at) AS last_seen_at
FROM ({rejected_sql()}) GROUP BY ALL ORDER BY last_seen_at DESC, source, endpoint, reason
"""

_OUTCOMES = {
    0: "succeeded",
    1: "some items failed",
    2: "wrong usage",
    3: "configuration, or a refused key",
    75: "stopped; try again later",
}


def content(
    con: duckdb.DuckDBPyConnection, *, now: datetime, runs: Iterable[Row], links: bool
) -> Row:
    """Everything that the template shows, by section.

    Args:
        now: the instant from which ages are counted.
        runs: the latest runs of the run log, as `clipmart.sync_runs` rows.
        links: whether to include the clips' download links.
    """
    (head,) = _rows(con, "FROM staging.page_totals CROSS JOIN clipmart.publication")
    sections = {
        "head": head,
        "empty": not head["jobs"] and not head["campaigns"],
        "links": links,
        "shareability": _shareability(con),
        "moments": _moments(con),
        "top_clips": _clips(con, links=links),
        "videos": _videos(con, now),
        "credits": _credits(con),
        "health": _health(con, runs),
        "failed": {service: failures(con, service) for service in SERVICES},
    }
    return sections | {"period": _period(head), "pressing": _pressing(sections, now)}


def _shareability(con: duckdb.DuckDBPyConnection) -> Row:
    by_week = _rows(con, "FROM staging.page_weeks")  # episodes without created_at come last
    weeks = [row for row in by_week if row["week"]][:WEEKS]
    shows = _rows(con, "FROM staging.show_scores")
    weekly = _report(con, "shareability_weekly", limit=None)
    most = sorted(shows, key=lambda show: -show["clips"])[:SHOWS]
    return {
        "weeks": by_week[:TABLE_ROWS],
        "weeks_total": len(by_week),
        "chart": _weeks_chart(weeks),
        "shows": shows[:TABLE_ROWS],
        "shows_total": len(shows),
        "charts": _show_charts([show for show in shows if show in most], weeks, weekly["rows"]),
        "weekly": weekly | {"rows": weekly["rows"][:TABLE_ROWS]},
        "episodes": _report(con, "shareability"),
    }


def _weeks_chart(weeks: list[Row]) -> Row | None:
    scored = [row for row in reversed(weeks) if row["mean_score"] is not None]
    if not scored:
        return None
    x = charts.day_axis(scored[0]["week"], scored[-1]["week"])
    y = charts.number_axis(row[name] for row in scored for name in ("p25_score", "p75_score"))
    line = charts.place(x, y, ((row["week"], row["mean_score"]) for row in scored))
    return {
        "x": x.ticks,
        "y": y.ticks,
        "line": charts.path(line),
        "band": charts.band(
            charts.place(x, y, ((row["week"], row["p75_score"]) for row in scored)),
            charts.place(x, y, ((row["week"], row["p25_score"]) for row in scored)),
        ),
        "dots": list(zip(line, scored, strict=True)),
    }


def _show_charts(shows: list[Row], weeks: list[Row], weekly: list[Row]) -> list[Row]:
    """A small chart for each show, all on the same scales, with the line of all shows behind."""
    if all(week["mean_score"] is None for week in weeks):
        return []
    first, last = weeks[-1]["week"], weeks[0]["week"]
    drawn = [row for row in weekly if row["week"] and first <= row["week"] <= last]
    x = charts.day_axis(first, last)
    y = charts.number_axis(row["mean_score"] for row in [*drawn, *weeks])
    everyone = charts.place(x, y, ((row["week"], row["mean_score"]) for row in reversed(weeks)))
    drawn_shows = []
    for show in shows:
        of_show = [row for row in reversed(drawn) if row["show_name"] == show["show_name"]]
        line = charts.place(x, y, ((row["week"], row["mean_score"]) for row in of_show))
        drawn_shows.append(
            show
            | {"x": x.ticks, "y": y.ticks, "line": charts.path(line), "dots": line}
            | {"all": charts.path(everyone)}
        )
    return drawn_shows


def _moments(con: duckdb.DuckDBPyConnection) -> Row:
    types = _rows(con, _MOMENT_TYPES)
    strips: dict[Any, list[Row]] = {}
    for mark in _rows(con, "FROM staging.page_score_marks"):
        strips.setdefault(mark["moment_type"], []).append(mark)
    most = sorted((t for t in types if strips.get(t["moment_type"])), key=lambda t: -t["clips"])
    shown = [row for row in types if row in most[:MOMENT_TYPES]]
    axis = charts.number_axis(
        (mark["score"] for row in shown for mark in strips[row["moment_type"]]), down=False
    )
    names = ("p10_score", "p25_score", "median_score", "p75_score", "p90_score", "mean_score")
    for row in shown:
        marks = strips[row["moment_type"]]
        densest = max(mark["clips"] for mark in marks)
        row["box"] = {name: axis.scale(row[name]) for name in names}
        row["strip"] = [
            (
                axis.scale(mark["score"]),
                round(max(0.15, 0.9 * math.sqrt(mark["clips"] / densest)), 2),
            )
            for mark in marks
        ]
    return {"shown": shown, "axis": axis.ticks, "types": types[:TABLE_ROWS], "total": len(types)}


def _clips(con: duckdb.DuckDBPyConnection, *, links: bool) -> Row:
    clips = _report(con, "top_clips")
    for clip in clips["rows"]:
        if not links:
            clip["media_url"] = None
    return clips


def _videos(con: duckdb.DuckDBPyConnection, now: datetime) -> Row:
    platforms = _report(con, "video_readiness_by_platform")
    most = max((row["videos"] for row in platforms["rows"]), default=0)
    for row in platforms["rows"]:
        kinds = ("ready", "pending", "failed")
        placed = charts.shares([row[kind] for kind in kinds], most)
        row["parts"] = list(zip(kinds, placed, strict=True))
        ((_, row["published_width"]),) = charts.shares([row["published"]], most)
    jobs, campaigns = _rows(con, _STUCK_JOBS), _rows(con, _STUCK_CAMPAIGNS)
    for row in [*jobs, *campaigns]:
        created_at = row["created_at"]
        row["hours"] = (now - created_at) / timedelta(hours=1) if created_at else None
    quota = _rows(con, "FROM reports.video_quota WHERE month IS NOT NULL")
    this_month = [row for row in quota if f"{row['month']:%Y%m}" == f"{now:%Y%m}"]
    return {
        "platforms": platforms,
        "campaigns": _report(con, "video_readiness"),
        "stuck_jobs": jobs,
        "stuck_campaigns": campaigns,
        "quota": this_month[0] if this_month else None,
    }


def _credits(con: duckdb.DuckDBPyConnection) -> Row:
    usage = _report(con, "credit_usage", limit=None)
    (costs,) = _rows(con, "FROM staging.page_costs")
    latest = next(iter(_rows(con, "FROM staging.credit_forecast")), None)
    known = [
        row
        for row in usage["rows"]
        if latest and row["balance_close"] is not None and row["day"] <= latest["day"]
    ]
    return {
        "latest": latest,
        "runs_out": latest["used_up_on"] if latest else None,
        "costs": costs,
        "usage": usage | {"rows": usage["rows"][:TABLE_ROWS]},
        "chart": _credits_chart(known[:DAYS][::-1], costs["credits_per_clip"]),
    }


def _credits_chart(days: list[Row], cost_mean: float | None) -> Row | None:
    """The balance day by day and its end at the present pace; below it, use and cost."""
    if not days:
        return None
    last = days[-1]
    ahead = 0.0
    if last["days_left"] is not None and last["days_left"] > 0:
        # A distant end is outside the chart, which looks ahead half as long as it looks back.
        ahead = min(last["days_left"], max(14.0, len(days) / 2))
    x = charts.day_axis(days[0]["day"], last["day"] + timedelta(days=math.ceil(ahead)))
    y = charts.number_axis([row["balance_close"] for row in days], zero=True)
    used = charts.number_axis([row["credits_used"] for row in days], zero=True)
    cost = charts.number_axis([row["credits_per_clip"] for row in days], zero=True)
    past = charts.day_axis(days[0]["day"], last["day"], margin=0.5)
    balance = charts.place(x, y, ((row["day"], row["balance_close"]) for row in days))
    end = (
        x.scale(last["day"].toordinal() + ahead),
        y.scale(last["balance_close"] - ahead * (last["burn_7d"] or 0)),
    )
    ends = bool(ahead) and ahead == last["days_left"]
    width = 60 / (past.scale.high - past.scale.low)
    return {
        # The day of the end is a label on the axis too, and needs space there.
        "x": [(at, label) for at, label in x.ticks if not ends or at < end[0] - 25],
        "y": y.ticks,
        "line": charts.path(balance),
        "now": balance[-1],
        "ahead": charts.path([balance[-1], end]) if ahead else None,
        "end": end if ends else None,
        "added": _without_overlaps(
            [
                (x.scale(row["day"].toordinal()), y.scale(row["balance_close"]), row)
                for row in sorted(days, key=lambda row: -row["credits_added"])
                if row["credits_added"] > 0
            ],
            taken=balance[-1][0],
        ),
        "past_x": past.ticks,
        "used_y": used.ticks,
        "used": [
            (round(x - width / 2, 2), y)
            for x, y in charts.place(
                past, used, ((row["day"], row["credits_used"]) for row in days)
            )
            if y < 100
        ],
        "bar_width": round(width, 2),
        "cost_y": cost.ticks,
        "cost_mean": None if cost_mean is None else cost.scale(cost_mean),
        "cost": charts.place(past, cost, ((row["day"], row["credits_per_clip"]) for row in days)),
    }


def _without_overlaps(
    labels: list[tuple[float, float, Row]], taken: float
) -> list[tuple[float, float, Row]]:
    """The labels that have space next to those before them; `taken` is a place in use."""
    placed: list[tuple[float, float, Row]] = []
    for label in labels:
        if all(abs(label[0] - x) >= 12 for x in (taken, *(other[0] for other in placed))):
            placed.append(label)
    return placed


def _health(con: duckdb.DuckDBPyConnection, runs: Iterable[Row]) -> Row:
    by_id = {run["run_id"]: run for run in [*_rows(con, "FROM clipmart.sync_runs"), *runs]}
    latest = sorted(by_id.values(), key=lambda run: run["started_at"], reverse=True)
    for run in latest:
        code = run["exit_code"]
        run["outcome"] = _OUTCOMES.get(code, f"ended with exit code {code}")
    freshness = _report(con, "freshness")["rows"]
    counts = rejected_counts(con)
    seen = {row["table_name"].partition(".")[2]: row["last_observed_at"] for row in freshness}
    return {
        "runs": latest[:8],
        "seen": seen,
        "rejected": _rows(con, f"{_REJECTED} LIMIT {TABLE_ROWS}"),
        "not_loaded": not_loaded_words(counts),
        "rejected_words": rejected_words(counts),
        "freshness": freshness,
        "findings": _rows(con, "FROM staging.audit_findings WHERE rows > 0"),
    }


def _period(head: Row) -> tuple[datetime, datetime] | None:
    """When the first and the last job or campaign were created."""
    ends = [head[name] for name in head if name.startswith(("first_", "last_"))]
    instants = [instant for instant in ends if instant is not None]
    return (min(instants), max(instants)) if instants else None


def _pressing(sections: Row, now: datetime) -> Row:
    """What needs attention, apart from counts that are not 0."""
    latest, quota = sections["credits"]["latest"], sections["videos"]["quota"]
    run = sections["health"]["runs"][0] if sections["health"]["runs"] else None
    return {
        "credits": latest is not None
        and (latest["balance_close"] <= 0 or (latest["days_left"] or math.inf) < CREDIT_DAYS[0]),
        "failed_run": run if run and run["exit_code"] else None,
        "silent_since": run["started_at"]
        if run and now - run["started_at"] > timedelta(hours=SYNC_HOURS[1])
        else None,
        "quota": quota is not None
        and quota["quota"] is not None
        and quota["videos"] >= quota["quota"],
    }


def _report(con: duckdb.DuckDBPyConnection, name: str, limit: int | None = TABLE_ROWS) -> Row:
    """A report's first rows, in its own order, and its number of rows."""
    table = report_name(con, name)
    ((total,),) = con.execute(f"SELECT COUNT(*) FROM reports.{table}").fetchall()
    rows = _rows(con, f"FROM reports.{table}" + (f" LIMIT {limit}" if limit else ""))
    return {"name": table, "rows": rows, "total": total}


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    """Rows by column name; blank text and numbers that are not finite become None, like NULL."""
    table = fetch(con.execute(sql))
    return [
        {
            column: None if is_beyond(value) or _is_blank(value) else value
            for column, value in zip(table.columns, row, strict=True)
        }
        for row in table.rows
    ]


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()
