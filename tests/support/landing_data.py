"""Landing data for tests: a writer of landing files, and a month of made-up use from a seed.

Rows are plain dictionaries in the landing tables' own column names. Tables and columns that no
row mentions are not written, as dlt does not write them either.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml

ROOT = Path(__file__).resolve().parents[2]
DECLARED = {
    table["name"]: table["columns"]
    for table in yaml.safe_load((ROOT / "sql" / "external_models.yaml").read_text("utf-8"))
}
Rows = dict[str, list[dict[str, Any]]]
NOW = datetime(2026, 4, 30, 12, 0, tzinfo=UTC)
DESCRIPTIONS = (
    None,
    "",
    " \n\t",
    "How we sold it",
    "\n \u00a0Episode 12: Why now? \t\r\nShow notes and links",
    "日本のスタートアップ\n続き",
)


def at(text: str) -> datetime:
    """An instant in UTC: `at("2026-04-08 12:00")`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def write_landing(path: Path, tables: Rows, *, load_id: str = "1.0", status: int = 0) -> Path:
    """A landing file as dlt leaves it, with its own columns and tables."""
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        for schema in ("klipit", "clipus", "clipmart"):
            con.execute(f"CREATE SCHEMA {schema}")
            con.execute(f"CREATE TABLE {schema}._dlt_loads (load_id VARCHAR, status BIGINT)")
            con.execute(f"INSERT INTO {schema}._dlt_loads VALUES (?, ?)", [load_id, status])
        for table, rows in tables.items():
            names = list(dict.fromkeys(name for row in rows for name in row))
            types = {n: DECLARED.get(table, {}).get(n) or kind_of(rows, n) for n in names}
            cells = {n: [cell(row.get(n), types[n]) for row in rows] for n in names}
            arrow = pa.table(
                {n: pa.array(values, arrow_type(types[n])) for n, values in cells.items()}
            )
            con.register("arrow", arrow)
            quoted = {n: '"' + n.replace('"', '""') + '"' for n in names}
            columns = ", ".join(f"{quoted[n]}::{types[n]} AS {quoted[n]}" for n in names)
            con.execute(
                f"CREATE TABLE {table} AS SELECT {columns}, '{load_id}' AS _dlt_load_id, "
                "uuid()::VARCHAR AS _dlt_id FROM arrow"
            )
    return path


def kind_of(rows: list[dict[str, Any]], name: str) -> str:
    """The type in which a field that nobody documents lands."""
    value = next(row[name] for row in rows if row.get(name) is not None)
    kinds = {bool: "BOOLEAN", int: "DOUBLE", float: "DOUBLE", str: "VARCHAR"}
    return kinds.get(type(value), "JSON")


def arrow_type(kind: str) -> pa.DataType:
    known = {
        "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
        "DOUBLE": pa.float64(),
        "BIGINT": pa.int64(),
        "BOOLEAN": pa.bool_(),
    }
    return known.get(kind, pa.string())


def cell(value: Any, kind: str) -> Any:
    return json.dumps(value) if kind == "JSON" and value is not None else value


SHOWS = (
    "The Founders Podcast",
    "Ünïcode & Söhne 🎙️",
    "日本のスタートアップ",
    'O\'Brien; "talks"',
    None,
)


def a_month_of_use(
    seed: int, jobs: int = 220, campaigns: int = 90, shows: Sequence[str | None] = SHOWS
) -> Rows:
    """Everything that a report treats apart, by chance but the same for the same seed."""
    dice = random.Random(seed)
    texts = random.Random(seed)  # apart, so that a text more changes no number
    tables: Rows = {name: [] for name in DECLARED}
    start = at("2026-03-27 00:00")

    def moment() -> datetime:
        day = start + timedelta(days=dice.randrange(34))
        if dice.random() < 0.2:  # on the edge of a UTC day, which elsewhere is in the middle of one
            return day + dice.choice([timedelta(0), timedelta(days=1, microseconds=-1)])
        return day + timedelta(seconds=dice.randrange(86_400), microseconds=dice.randrange(10**6))

    types = ["bold_prediction", "how_to", "emotional_story", "a_type_nobody_documented", None]
    for n in range(jobs):
        job_id = f"job_{n:04d}"
        created = moment()
        status = dice.choices(
            ["complete", "completed", "failed", "queued", "clipping", "paused?", "cancelled"],
            [70, 4, 8, 5, 5, 4, 4],
        )[0]
        done = created + timedelta(seconds=dice.randrange(60, 90_000))
        ended = status in ("complete", "completed", "failed", "cancelled")
        seen = max(created, done if ended else created) + timedelta(minutes=dice.randrange(1, 600))
        tables["klipit.jobs"].append(
            {
                "id": job_id,
                "status": status,
                "clip_count": dice.choice([None, 0, 3]),
                "duration_seconds": dice.choice(
                    [None, 3842.0, 1800.5, float(dice.randrange(9000))]
                ),
                "created_at": created if dice.random() > 0.02 else None,
                "completed_at": done if ended and dice.random() > 0.05 else None,
                "error": "No speech" if status == "failed" else None,
                "observed_at": seen,
            }
        )
        tables["klipit.job_observations"].append(
            {"observation_id": f"{n}a", "job_id": job_id, "status": status, "observed_at": seen}
        )
        if dice.random() < 0.06:
            tables["klipit.job_observations"].append(
                {
                    "observation_id": f"{n}b",
                    "job_id": job_id,
                    "status": "not_found",
                    "observed_at": seen + timedelta(hours=1),
                }
            )
        for origin in dice.choice([["submit"], ["import"], ["submit", "import"], []]):
            tables["klipit.submissions"].append(
                {
                    "submission_id": f"{job_id}-{origin}",
                    "origin": origin,
                    "state": "known",
                    "job_id": job_id,
                    "show_name": dice.choice(shows),
                    "guest_name": dice.choice(["Jane Creator", "Łukasz", None]),
                    "description": texts.choice(DESCRIPTIONS),
                    "platforms": dice.choice([None, ["tiktok", "reels"]]),
                    "submitted_at": created,
                    "recorded_at": created + timedelta(seconds=dice.randrange(1, 9999)),
                }
            )
        finished = status in ("complete", "completed")
        if dice.random() < (0.85 if finished else 0.1):
            count = dice.randrange(0, 9)
            tables["klipit.clip_reads"].append(
                {"job_id": job_id, "observed_at": done + timedelta(minutes=1), "clips": count}
            )
            unscored = dice.random() < 0.1  # all clips of the job, so that it has no best one
            for i in range(count):
                score = (
                    None
                    if unscored or dice.random() < 0.1
                    else dice.choice([80.0, 79.9, 94.0, round(dice.uniform(20, 100), 1)])
                )
                begins = dice.choice([134.0, 134.5, float(dice.randrange(4000))])
                tables["klipit.clips"].append(
                    {
                        "id": f"clip_{dice.randrange(10**9):09d}_{n}_{i}",
                        "job_id": job_id,
                        "moment_type": dice.choice(types) or texts.choice([None, "", " \u3000"]),
                        "shareability_score": score,
                        "reason": "Strong claim.",
                        "hook_suggestion": dice.choice([None, f"Hot take {i}: 40% | \u2028 go"]),
                        "start_seconds": begins if dice.random() > 0.1 else None,
                        "end_seconds": begins + 87.5,
                        "duration_seconds": dice.choice([87.5, 87.0, 12.0, None]),
                        "media_url": "https://cdn.example/clip?sig=1",
                        "observed_at": done + timedelta(minutes=1),
                    }
                )
    tables["klipit.submissions"] += [
        {
            "submission_id": "lost",
            "origin": "submit",
            "state": "unknown",
            "job_id": None,
            "show_name": "Never answered",
            "recorded_at": NOW,
        },
        {
            "submission_id": "never-loaded",
            "origin": "import",
            "state": "known",
            "job_id": "job_never_loaded",
            "show_name": "Never loaded",
            "recorded_at": NOW,
        },
    ]
    _balances(dice, tables)
    _campaigns(dice, tables, campaigns, moment)
    return {name: rows for name, rows in tables.items() if rows}


def _balances(dice: random.Random, tables: Rows) -> None:
    """Balances that begin after the first jobs, leave days out and go up as well as down."""
    balance = 500.0
    day = at("2026-03-30 00:00")
    while day < NOW:
        for seconds in sorted(dice.sample(range(86_400), dice.choice([0, 1, 1, 2, 4]))):
            balance += dice.choice([0, 0, -3, -12.5, -40, 200])
            tables["klipit.account_snapshots"].append(
                {
                    "observed_at": day + timedelta(seconds=seconds),
                    "balance": balance,
                    "origin": dice.choice(["api", "hand"]),
                }
            )
        day += timedelta(days=1)
    tables["klipit.account_snapshots"].append(
        {"observed_at": at("2026-04-12 23:59:59.999999"), "balance": 111.0, "origin": "hand"}
    )


def _campaigns(dice: random.Random, tables: Rows, campaigns: int, moment: Any) -> None:
    for n in range(campaigns):
        campaign_id = f"b1c2d3e4-{n:04d}"
        created = moment()
        status = dice.choice(
            ["collecting", "rendering", "complete", "complete", "ready", "failed", "error", "odd"]
        )
        first = created + timedelta(minutes=dice.randrange(1, 3000))
        later = first + timedelta(minutes=dice.randrange(1, 3000))
        tables["clipus.campaigns"].append(
            {
                "campaign_id": campaign_id,
                "status": status,
                "url": f"https://saas-{n}.example",
                "title": dice.choice([None, "My launch demo", "デモ"]),
                "languages": dice.choice([None, [], ["en", "ja", "ko"], ["日本語"]]),
                "created_at": created if dice.random() > 0.05 else None,
                "observed_at": later,
            }
        )
        watched = dice.choice([[first, later], [later]])
        for k, seen in enumerate(watched):
            tables["clipus.campaign_observations"].append(
                {
                    "observation_id": f"{n}-{k}",
                    "campaign_id": campaign_id,
                    "status": status if seen == later else "collecting",
                    "observed_at": seen,
                }
            )
        if dice.random() < 0.08:
            tables["clipus.campaign_observations"].append(
                {
                    "observation_id": f"{n}-gone",
                    "campaign_id": campaign_id,
                    "status": "not_found",
                    "observed_at": later + timedelta(hours=3),
                }
            )
        for origin in dice.choice([[], ["submit"], ["import"]]):
            tables["clipus.submissions"].append(
                {
                    "submission_id": f"{campaign_id}-{origin}",
                    "origin": origin,
                    "state": "known",
                    "campaign_id": campaign_id,
                    "submitted_at": created,
                    "recorded_at": created + timedelta(minutes=5),
                }
            )
        for v in range(dice.choice([0, 1, 3, 6])):
            video = dice.choice(["ready", "ready", "published", "failed", "rendering", "mystery"])
            tables["clipus.videos"].append(
                {
                    "campaign_id": campaign_id,
                    "id": f"v{v}",
                    "platform": dice.choice(["youtube", "tiktok", "linkedin", None]),
                    "status": video,
                    "file_url": "https://cdn.example/video.mp4" if video == "ready" else None,
                    "duration_seconds": dice.choice([None, 30.0, 12.5]),
                    "published_at": dice.choice([None, later]) if video != "failed" else None,
                    "observed_at": later,
                }
            )
            for k, seen in enumerate(watched):
                tables["clipus.video_observations"].append(
                    {
                        "observation_id": f"{n}-{v}-{k}",
                        "campaign_id": campaign_id,
                        "video_id": f"v{v}",
                        "status": video if seen == later else dice.choice(["rendering", video]),
                        "observed_at": seen,
                    }
                )
    answers = [
        ("2026-04-02 10:00", "Monthly limit reached (9/9)."),
        ("2026-04-20 10:00", "Monthly limit reached (10/10)."),
        ("2026-04-30 23:59:59", "Rate limit exceeded (60/60)."),
        ("2026-02-28 23:59:59", "monthly video limit reached ( 3 / 30 )"),
        ("2026-04-21 10:00", "The page could not be captured."),
    ]
    for i, (when, error) in enumerate(answers):
        tables["clipus.submissions"].append(
            {
                "submission_id": f"refused-{i}",
                "origin": "submit",
                "state": "failed",
                "campaign_id": None,
                "error": error,
                "submitted_at": at(when),
                "recorded_at": at(when),
            }
        )
