"""The first twelve recipes answered again in Python, from the landing rows of the demo alone."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipelines.warehouse.read import attach, query
from tests.docs.test_pages import ROOT, fenced
from tests.support.demo_run import NOW, DemoRun
from tests.support.expected_reports import Row, expected_reports
from tests.support.landing_data import DECLARED

pytestmark = pytest.mark.xdist_group("demo")  # another worker would only wait for it

END = datetime.fromisoformat(NOW)
Answer = list[tuple[Any, ...]]


@cache
def landing(warehouse: Path) -> dict[str, list[Row]]:
    """The landing tables of a published file, as rows."""
    tables = {}
    with attach(warehouse, now=END) as con:
        for table, types in DECLARED.items():
            cursor = con.execute(f"FROM {table}")
            names = [column[0] for column in cursor.description or []]
            tables[table] = [
                {
                    name: json.loads(cell) if cell and types.get(name) == "JSON" else cell
                    for name, cell in zip(names, row, strict=True)
                }
                for row in cursor.fetchall()
            ]
    return tables


@pytest.fixture
def reports(demo_run: DemoRun) -> dict[str, list[Row]]:
    """Every report of the demo, computed without SQL."""
    return expected_reports(landing(demo_run.data_dir / "warehouse.duckdb"), END)


def recipes() -> Iterator[tuple[str, str]]:
    page = ROOT / "docs" / "sql-recipes.md"
    headings = [line[3:] for line in page.read_text().splitlines() if line.startswith("## ")]
    return zip(headings, (sql for sql, _ in fenced(page, "sql")), strict=True)


def by(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def known(rows: Iterable[Row], column: str) -> list[float]:
    return [row[column] for row in rows if row[column] is not None]


def whole(value: float) -> int:
    return int(value + 0.5)


def good(rows: Iterable[Row]) -> int:
    return sum(row["score"] is not None and row["score"] >= 80 for row in rows)


def guests_again(reports: dict[str, list[Row]]) -> Answer:
    rows = [row for row in reports["guests"] if row["enough_episodes"]]
    columns = ("show_name", "guest_name", "jobs", "mean_score", "clips_80_plus", "lift")
    return [tuple(row[c] for c in columns) for row in sorted(rows, key=lambda r: -r["lift"])]


def post_next(reports: dict[str, list[Row]]) -> Answer:
    columns = ("rank", "episode", "hook_suggestion", "score", "why")
    return [tuple(row[c] for c in columns) for row in reports["to_post"][:5]]


def good_clip_costs(reports: dict[str, list[Row]]) -> Answer:
    columns = ("show_name", "clips_80_plus", "credits_per_clip_80_plus")
    rows = [tuple(row[c] for c in columns) for row in reports["show_costs"]]
    return sorted(rows, key=lambda row: row[2])


def longer_episodes(reports: dict[str, list[Row]]) -> Answer:
    steps = by(reports["shareability"], lambda row: int(row["source_seconds"]) // 1200 * 20)
    return [
        (
            step,
            len(rows),
            statistics.median(known(rows, "mean_score")),
            sum(row["clips_80_plus"] for row in rows) / len(rows),
        )
        for step, rows in sorted(steps.items())
    ]


def places(reports: dict[str, list[Row]]) -> Answer:
    quarters = by(reports["clips"], lambda row: sum(row["position"] >= q / 4 for q in range(4)))
    return [
        (quarter, len(known(rows, "score")), statistics.median(known(rows, "score")), good(rows))
        for quarter, rows in sorted(quarters.items())
    ]


def failing_platforms(reports: dict[str, list[Row]]) -> Answer:
    rows = [
        (row["platform"], ended, row["failed"], whole(100 * row["failed"] / ended))
        for row in reports["video_readiness_by_platform"]
        if (ended := row["videos"] - row["pending"])
    ]
    return sorted(rows, key=lambda row: (-row[3], row[0]))


def months(reports: dict[str, list[Row]]) -> Answer:
    month = lambda row: row["created_at"].astimezone(UTC).date().replace(day=1)  # noqa: E731
    episodes, clips = by(reports["shareability"], month), by(reports["clips"], month)
    return [
        (
            first_day,
            len(episodes[first_day]),
            len(clips[first_day]),
            good(clips[first_day]),
            statistics.fmean(known(clips[first_day], "score")),
        )
        for first_day in sorted(episodes, reverse=True)
    ]


def weekdays(reports: dict[str, list[Row]]) -> Answer:
    days = by(reports["clips"], lambda row: f"{row['created_at'].astimezone(UTC):%A}")
    rows = [
        (
            day,
            len({row["job_id"] for row in rows}),
            len(known(rows, "score")),
            statistics.median(known(rows, "score")),
        )
        for day, rows in days.items()
    ]
    return sorted(rows, key=lambda row: (-row[3], row[0]))


def show_credits(reports: dict[str, list[Row]]) -> Answer:
    columns = ("show_name", "jobs", "clips", "credits", "credits_per_clip")
    rows = [tuple(row[c] for c in columns) for row in reports["show_costs"]]
    return sorted(rows, key=lambda row: -row[3])


def until_ready(reports: dict[str, list[Row]]) -> Answer:
    hours = known(reports["video_readiness"], "hours_to_ready")
    seconds = known(reports["job_turnaround"], "turnaround_seconds")
    lists = {"campaign": [60 * h for h in hours], "episode": [s / 60 for s in seconds]}
    return [
        (what, len(minutes), whole(statistics.median(minutes)), whole(max(minutes)))
        for what, minutes in lists.items()
    ]


def repeated(reports: dict[str, list[Row]]) -> Answer:
    columns = ("episode", "score", "start_seconds", "end_seconds", "hook_suggestion")
    rows = [row for row in reports["clips"] if row["overlaps_better"]]
    rows.sort(key=lambda row: row["start_seconds"])
    rows.sort(key=lambda row: row["created_at"], reverse=True)
    return [tuple(row[c] for c in columns) for row in rows[:5]]


def changes(reports: dict[str, list[Row]]) -> Answer:
    columns = ("metric", "value", "before", "change")
    return [tuple(row[c] for c in columns) for row in reports["last_7_days"]]


ANSWERS = (
    *(guests_again, post_next, good_clip_costs, longer_episodes, places, failing_platforms),
    *(months, weekdays, show_credits, until_ready, repeated, changes),
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        pytest.param(recipe, answer, id=recipe[0])
        for recipe, answer in zip(recipes(), ANSWERS, strict=False)
    ],
)
def test_a_recipe_answers_its_question(
    question: tuple[str, str],
    answer: Callable[[dict[str, list[Row]]], Answer],
    demo_run: DemoRun,
    reports: dict[str, list[Row]],
) -> None:
    """The same rows in the same order, numbers within the recipe's rounding."""
    wanted = answer(reports)
    assert len(wanted) > 1
    with attach(demo_run.data_dir / "warehouse.duckdb", now=END) as con:
        rows = query(con, question[1]).fetchall()
    for row, expected in zip(rows, wanted, strict=True):
        for cell, value in zip(row, expected, strict=True):
            rounded = pytest.approx(value, abs=0.051) if isinstance(value, float) else value
            assert cell == rounded, question[0]


def test_there_is_something_to_answer(reports: dict[str, list[Row]]) -> None:
    """Unscored clips, pending and failed videos, overlaps, two months: else little is proven."""
    assert any(row["score"] is None for row in reports["clips"])
    assert any(row["clips"] == 0 for row in reports["shareability"])
    assert any(not row["enough_episodes"] for row in reports["guests"])
    assert any(row["pending"] and row["failed"] for row in reports["video_readiness_by_platform"])
    assert any(row["kind"] == "job" for row in reports["failures"])
