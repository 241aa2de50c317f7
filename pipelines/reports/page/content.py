"""The content of the page, from the published file: rows of the reports, and marks for charts.

What only the page shows (totals, all shows together, the spread of scores) comes from the models
`staging.page_*`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import duckdb

from pipelines.health.attention import failures, not_loaded_words, rejected_counts, rejected_words
from pipelines.landing.rejected import rejected_sql
from pipelines.reports.cells import is_beyond
from pipelines.reports.rows import EVERYTHING, Selection, fetch
from pipelines.service import SERVICES
from pipelines.settings import Limits

from . import charts
from .template import credits, number

Row = dict[str, Any]
TABLE_ROWS = 50
MOMENT_TYPES = 12
PLATFORMS = 12
WEEKS = 104
DAYS = 90
STATES = ("published", "ready", "pending", "failed")

_STUCK_JOBS = """
SELECT job_id AS id, episode AS name, status, created_at FROM reports.job_turnaround WHERE stuck
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
    con: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    runs: Iterable[Row],
    selection: Selection = EVERYTHING,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Row:
    """Everything that the template shows, by section.

    Args:
        con: the published file, or what `narrow` left of it.
        now: the instant from which ages are counted.
        runs: the latest runs of the run log, as `clipmart.sync_runs` rows.
        selection: the show or period that the page is for, and whether it has download links.
        limits: below or above which credits and syncs need attention.
    """
    (head,) = _rows(con, "FROM staging.page_totals CROSS JOIN clipmart.publication")
    sections = {
        "head": head,
        "selection": selection,
        "empty": not head["jobs"] and not head["campaigns"],
        "week": _week(con, head, now, selection),
        "to_post": _clips(con, "to_post", selection),
        "top_clips": _clips(con, "top_clips", selection),
        "shareability": _shareability(con, now),
        "moments": _moments(con),
        "videos": _videos(con, now),
        "credits": _credits(con, now),
        "stuck": _stuck(con, now),
        "health": _health(con, runs),
        "failed": {service: failures(con, service) for service in SERVICES},
    }
    return sections | {"period": _period(head), "pressing": _pressing(sections, now, limits)}


def _week(con: duckdb.DuckDBPyConnection, head: Row, now: datetime, selection: Selection) -> Row:
    """What changed in the last 7 days, by metric; None for those that the page has nothing of."""
    since = now - timedelta(days=14)
    metrics = {row["metric"]: row for row in _rows(con, "FROM reports.last_7_days")}
    on_page = {
        **dict.fromkeys(("new_clips", "episodes", "clips_80_plus"), head["jobs"]),
        **dict.fromkeys(("videos_ready", "published"), head["campaigns"]),
    }
    shown = {}
    for metric, row in metrics.items():
        values = row["value"], row["before"]
        # A mean or the credits may be unknown; no failure is no news.
        show = on_page.get(metric, any(values)) and values[0] is not None
        # Both weeks have to be on a page that is for a period.
        show = show and (selection.since is None or selection.since <= since.date())
        shown[metric] = row if show else None
        for part in ("value", "before", "change"):
            if row[part] is not None and metric != "mean_score" and row[part] == int(row[part]):
                row[part] = int(row[part])
    drawn = [row for row in shown.values() if row]
    return {
        "metrics": shown,
        "quiet": not any(row["value"] or row["before"] for row in drawn),
    }


def _shareability(con: duckdb.DuckDBPyConnection, now: datetime) -> Row:
    by_week = _rows(con, "FROM staging.page_weeks")  # episodes without created_at come last
    weeks = [row for row in by_week if row["week"] and row["median_score"] is not None][:WEEKS]
    weeks.reverse()
    shows, today = _table(con, "show_scores", schema="staging"), now.date()
    return {
        "weeks": by_week[:TABLE_ROWS],
        "weeks_total": len(by_week),
        "single": weeks[0] if len(weeks) == 1 else None,
        "chart": _weeks_chart(weeks, today) if len(weeks) > 1 else None,
        "best": next(iter(_rows(con, "FROM staging.best_show")), None),
        "shows": shows,
        "charts": _show_charts(con, weeks, today) if len(weeks) > 1 and shows["total"] > 1 else [],
        "weekly": _table(con, "shareability_weekly"),
        "episodes": _table(con, "shareability"),
        "guests": _table(con, "guests"),
    }


def _weeks_chart(weeks: list[Row], today: date) -> Row:
    """The median of each week and the middle half of its clips; an unfinished week is apart."""
    x = charts.day_axis(weeks[0]["week"], weeks[-1]["week"])
    y = charts.number_axis(row[name] for row in weeks for name in ("p25_score", "p75_score"))
    finished = [row for row in weeks if not _unfinished(row, today)]
    points = charts.place(x, y, ((row["week"], row["median_score"]) for row in weeks))
    dots = [(*dot, _unfinished(row, today), row) for dot, row in zip(points, weeks, strict=True)]
    # Of labels without space, the unfinished week's goes first, then the latest, then the oldest.
    few = dots if len(dots) < 9 else []
    named = {dot[0]: dot for dot in [*(d for d in dots if d[2]), dots[-1], dots[0], *few]}
    labels = charts.spaced(
        (at, number(row["median_score"]) + (f", n = {row['clips']:,}" if unfinished else ""))
        for at, _, unfinished, row in named.values()
    )
    return {
        "x": x.ticks,
        "y": y.ticks,
        "line": charts.path([(at, up) for at, up, unfinished, _ in dots if not unfinished]),
        "band": charts.band(
            charts.place(x, y, ((row["week"], row["p75_score"]) for row in finished)),
            charts.place(x, y, ((row["week"], row["p25_score"]) for row in finished)),
        ),
        "first": weeks[0],
        "last": weeks[-1],
        "unfinished": dots[-1][2],
        "dots": dots if len(dots) < 40 else [dot for dot in dots if dot[2]],
        "labels": [(at, named[at][1], text, end) for at, text, end in labels],
    }


def _show_charts(con: duckdb.DuckDBPyConnection, weeks: list[Row], today: date) -> list[Row]:
    """A small chart for each of the largest shows, on the same scales as the line of all shows."""
    first, last = weeks[0]["week"], weeks[-1]["week"]
    x = charts.day_axis(first, last)
    by_show: dict[Any, list[Row]] = {}
    for row in _rows(con, "FROM staging.page_show_weeks"):
        if first <= row["week"] <= last:
            by_show.setdefault(row["show_name"], []).append(row)
    y = charts.number_axis(
        row["median_score"] for rows in (weeks, *by_show.values()) for row in rows
    )

    def dots(rows: list[Row]) -> list[tuple[float, float, bool]]:
        placed = charts.place(x, y, ((row["week"], row["median_score"]) for row in rows))
        return [(*dot, _unfinished(row, today)) for dot, row in zip(placed, rows, strict=True)]

    def line(rows: list[Row]) -> str:
        return charts.path([(at, up) for at, up, unfinished in dots(rows) if not unfinished])

    return [
        {
            **rows[0],
            "y": [y.ticks[0], y.ticks[-1]],
            "all": line(weeks),
            "line": line(rows),
            "dots": dots(rows) if len(rows) < 30 else [dot for dot in dots(rows) if dot[2]],
        }
        for rows in by_show.values()
    ]


def _unfinished(row: Row, today: date) -> bool:
    """Whether more episodes of its week may come."""
    ends: date = row["week"] + timedelta(days=7)
    return ends > today


def _moments(con: duckdb.DuckDBPyConnection) -> Row:
    spread = {row["moment_type"]: row for row in _rows(con, "FROM staging.page_score_spread")}
    types = [row | spread[row["moment_type"]] for row in _rows(con, "FROM reports.moment_types")]
    strips: dict[Any, list[Row]] = {}
    for mark in _rows(con, "FROM staging.page_score_marks"):
        strips.setdefault(mark["moment_type"], []).append(mark)
    scored = [row for row in types if strips.get(row["moment_type"])]
    shown = sorted(scored, key=lambda row: -row["clips"])[:MOMENT_TYPES]
    shown.sort(key=lambda row: -(row["median_score"] or -math.inf))
    axis = charts.number_axis(
        (mark["score"] for row in shown for mark in strips[row["moment_type"]]), down=False
    )
    for row in shown:
        marks = strips[row["moment_type"]]
        densest = max(mark["clips"] for mark in marks)
        row["box"] = {
            name: axis.scale(row[name]) for name in ("p25_score", "median_score", "p75_score")
        }
        row["strip"] = [
            (
                axis.scale(mark["score"]),
                round(max(0.15, 0.9 * math.sqrt(mark["clips"] / densest)), 2),
            )
            for mark in marks
        ]
    return {
        "shown": shown,
        "scored": len(scored),
        "axis": axis.ticks,
        "types": types[:TABLE_ROWS],
        "total": len(types),
    }


def _clips(con: duckdb.DuckDBPyConnection, name: str, selection: Selection) -> Row:
    clips = _table(con, name)
    for clip in clips["rows"]:
        if not selection.links:
            clip["media_url"] = None
    return clips


def _videos(con: duckdb.DuckDBPyConnection, now: datetime) -> Row:
    platforms = _table(con, "page_platforms", limit=None, schema="staging")
    rows = platforms["rows"]
    total = {state: sum(row[state] for row in rows) for state in ("videos", *STATES)}
    for bar in (total, *rows):
        placed = charts.shares([bar[state] for state in STATES], bar["videos"])
        bar["parts"] = list(zip(STATES, placed, strict=True))
    quota = _rows(con, "FROM reports.video_quota WHERE month IS NOT NULL")
    this_month = [row for row in quota if f"{row['month']:%Y%m}" == f"{now:%Y%m}"]
    return {
        "total": total,
        "platforms": platforms | {"shown": rows[:PLATFORMS]},
        "by_platform": _table(con, "video_readiness_by_platform"),
        "campaigns": _table(con, "video_readiness"),
        "quota": this_month[0] if this_month else None,
    }


def _stuck(con: duckdb.DuckDBPyConnection, now: datetime) -> Row:
    stuck = {
        "klipit": _rows(con, _STUCK_JOBS),
        "clipus": _rows(con, _STUCK_CAMPAIGNS),
    }
    for row in [*stuck["klipit"], *stuck["clipus"]]:
        created_at = row["created_at"]
        row["hours"] = (now - created_at) / timedelta(hours=1) if created_at else None
    return stuck


def _credits(con: duckdb.DuckDBPyConnection, now: datetime) -> Row:
    usage = _table(con, "credit_usage", limit=None)
    (costs,) = _rows(con, "FROM staging.page_costs")
    latest = next(iter(_rows(con, "FROM staging.credit_forecast")), None)
    known = [
        row
        for row in usage["rows"]
        if latest and row["balance_close"] is not None and row["day"] <= latest["day"]
    ]
    days = known[:DAYS][::-1]
    return {
        "latest": latest,
        "costs": costs,
        "shows": _table(con, "show_costs"),
        "usage": usage | {"rows": usage["rows"][:TABLE_ROWS]},
        "chart": _balance_chart(days, latest) if latest and len(days) > 1 else None,
        "used": _used_chart(days, now.date()) if len(days) > 1 else None,
    }


def _balance_chart(days: list[Row], latest: Row) -> Row:
    """The balance day by day, and its end at the present pace."""
    left, last = latest["days_left"], days[-1]["day"]
    ahead = 0.0
    if left is not None and left > 0:
        # A distant end is outside the chart, which looks ahead half as long as it looks back.
        ahead = min(left, max(14.0, len(days) / 2))
    x = charts.day_axis(days[0]["day"], last + timedelta(days=math.ceil(ahead)))
    y = charts.number_axis([row["balance_close"] for row in days], zero=True)
    balance = charts.place(x, y, ((row["day"], row["balance_close"]) for row in days))
    end = (
        x.scale(last.toordinal() + ahead),
        y.scale(latest["balance_close"] - ahead * (latest["burn_7d"] or 0)),
    )
    ends = bool(ahead) and ahead == left and latest["used_up_on"] is not None
    (now_label,) = charts.spaced([(balance[-1][0], f"{credits(latest['balance_close'])} left")])
    heights = {at: row for (at, _), row in zip(balance, days, strict=True)}
    added = charts.spaced(
        (
            (at, f"+{credits(row['credits_added'])}")
            for at, row in sorted(heights.items(), key=lambda dot: -dot[1]["credits_added"])
            if row["credits_added"] > 0
        ),
        taken=[now_label],
    )
    # The day of the end is a label on the axis too, and goes before the others.
    end_label = [(end[0], charts.day_label(latest["used_up_on"]))] if ends else []
    return {
        "x": charts.spaced([*end_label, *(tick[:2] for tick in x.ticks)]),
        "y": y.ticks,
        "line": charts.steps(balance),
        "now": balance[-1],
        "ahead": charts.path([balance[-1], end]) if ahead else None,
        "end": end if ends else None,
        "labels": [
            (at, y.scale(heights[at]["balance_close"]), text, end)
            for at, text, end in [now_label, *added]
        ],
    }


def _used_chart(days: list[Row], today: date) -> Row | None:
    """The credits used on each day, and a clip's share of them; None if none were used."""
    if not any(row["credits_used"] for row in days):
        return None
    x = charts.day_axis(days[0]["day"], days[-1]["day"], margin=0.5)
    used = charts.number_axis([row["credits_used"] for row in days], zero=True)
    cost = charts.number_axis([row["credits_per_clip"] for row in days], zero=True)
    width = 60 / (x.scale.high - x.scale.low)
    placed = charts.place(x, used, ((row["day"], row["credits_used"]) for row in days))
    costs = charts.place(x, cost, ((row["day"], row["credits_per_clip"]) for row in days))
    return {
        "x": charts.spaced(tick[:2] for tick in (x.ticks[0], x.ticks[-1])),
        "used_y": [used.ticks[0], used.ticks[-1]],
        "bars": [
            (round(at - width / 2, 2), up, row["day"] >= today)
            for (at, up), row in zip(placed, days, strict=True)
            if up < 100
        ],
        "width": round(width, 2),
        "cost_y": [cost.ticks[0], cost.ticks[-1]],
        "costs": costs if len(costs) > 1 else [],
        "scale": cost.scale,
    }


def _health(con: duckdb.DuckDBPyConnection, runs: Iterable[Row]) -> Row:
    by_id = {run["run_id"]: run for run in [*_rows(con, "FROM clipmart.sync_runs"), *runs]}
    latest = sorted(by_id.values(), key=lambda run: run["started_at"], reverse=True)[:8]
    for run in latest:
        code = run["exit_code"]
        run["outcome"] = _OUTCOMES.get(code, f"ended with exit code {code}")
    freshness = _rows(con, "FROM reports.freshness")
    counts = rejected_counts(con)
    return {
        "runs": latest,
        "seen": {row["table_name"].partition(".")[2]: row["last_observed_at"] for row in freshness},
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


def _pressing(sections: Row, now: datetime, limits: Limits) -> Row:
    """What needs attention, apart from counts that are not 0."""
    latest, quota = sections["credits"]["latest"], sections["videos"]["quota"]
    run = sections["health"]["runs"][0] if sections["health"]["runs"] else None
    return {
        "credits": latest is not None
        and (
            latest["balance_close"] <= 0
            or (latest["days_left"] or math.inf) < limits.credit_days[0]
        ),
        "failed_run": run if run and run["exit_code"] else None,
        "silent_since": run["started_at"]
        if run and now - run["started_at"] > timedelta(hours=limits.sync_hours[1])
        else None,
        "quota": quota is not None
        and quota["quota"] is not None
        and quota["videos"] >= quota["quota"],
    }


def _table(
    con: duckdb.DuckDBPyConnection,
    name: str,
    limit: int | None = TABLE_ROWS,
    schema: str = "reports",
) -> Row:
    """A table's first rows, in its own order, and its number of rows."""
    ((total,),) = con.execute(f"SELECT COUNT(*) FROM {schema}.{name}").fetchall()
    rows = _rows(con, f"FROM {schema}.{name}" + (f" LIMIT {limit}" if limit else ""))
    return {"name": name, "rows": rows, "total": total}


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
