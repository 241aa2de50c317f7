"""Every command that prints or writes for a person, over every world: an end without a crash."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import pytest
from rich.cells import cell_len

from pipelines.reports.render import FORMATS, as_json, render
from pipelines.reports.rows import Table, fetch
from pipelines.settings import Settings
from pipelines.warehouse.read import open_published, report_names
from sandbox import Sandbox, running
from tests.support.clipmart import Clipmart
from tests.support.missing_words import UNSEEN, problems
from tests.support.worlds import NOW, worlds

# Doctor says nothing of what landed, but for what was rejected or is unknown.
WARNED = ("control_characters", "names_of_300_characters", "known_and_not_fetched")
QUERIED = ("control_characters", "emoji", "negative_and_huge_scores", "undocumented_fields")
# With ids or rejected records that no other has.
LISTED = (
    *("control_characters", "right_to_left", "names_of_300_characters"),
    *("texts_that_look_like_markup", "records_rejected", "known_and_not_fetched"),
    *("not_found_only", "values_noted", "nothing_at_all"),
)
# Whose checks, counts or texts in status are like no other's.
NOTED = (
    *("all_failed", "an_old_failure", "all_running", "no_created_at", "odd_balances"),
    *("dates_of_1970_and_2031", "only_clipus", "only_klipit", "not_found_only", "values_noted"),
    *("records_rejected", "known_and_not_fetched", "nothing_at_all", "control_characters"),
    *("right_to_left", "names_of_300_characters", "texts_that_look_like_markup"),
)
QUERIES = ("FROM klipit.jobs", "FROM clipus.videos", "FROM clipmart.rejected_records")


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers(part)
    elif isinstance(value, int | float):
        yield value


def strict_json(text: str) -> Any:
    """JSON as other languages read it: no NaN, no infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def check_formats(world: Clipmart, outputs: dict[str, str]) -> None:
    """The same rows, once in each format."""
    for name in ("table", "markdown", "json"):
        bad = (
            [m[0] for m in UNSEEN.finditer(outputs[name])]
            if name == "json"
            else problems(world, outputs[name])
        )
        assert not bad, f"{name}: {bad}"
    assert max(map(cell_len, outputs["table"].splitlines())) <= 80
    rows = strict_json(outputs["json"])
    assert all(abs(number) < float("inf") for number in numbers(rows))
    if len(rows) == 1:
        ((_, wanted),) = rows.items()
        header, *lines = csv.reader(io.StringIO(outputs["csv"]))
        assert len(lines) == len(wanted)
        assert {len(line) for line in lines} <= {len(header)}
        assert outputs["markdown"].count("\n") == len(wanted) + 2


READ = {
    **{"show_name": "show", "guest_name": "guest", "created_at": "created", "score": "score"},
    **{"rank": "rank", "day": "day", "week": "week", "month": "month"},
}
LABELS = {"hook_suggestion": "hook", "episode": "episode", "title": "title", "best_hook": "hook"}


def check_what_a_person_reads(table: Table, width: int) -> None:
    """No line is too wide; the columns that say what a row is are there, if they have values."""
    lines = render([table], "table", width=width).splitlines()
    assert max(map(cell_len, lines)) <= width, (table.name, lines)
    if not table.rows:
        assert len(lines) == 2 and lines[1].startswith("no "), lines
        return
    header = "\n".join(takewhile(lambda line: not line.startswith("─"), lines[1:]))
    filled = {
        name
        for name, *values in zip(table.columns, *table.rows, strict=True)
        if any(value is not None for value in values)
    }
    label = next((name for name in LABELS if name in filled), None)
    wanted = [READ[name] for name in READ if name in filled] if width >= 80 else []
    wanted += [LABELS[label]] if label else []
    words = " ".join(wanted).split()
    assert set(header.split()).issuperset(words), (table.name, lines)


def test_every_report_begins_with_what_a_person_reads(world: Clipmart) -> None:
    """On a narrow, an ordinary and a wide terminal."""
    with open_published(Settings(data_dir=world.data_dir, pinned_now=NOW)) as con:
        for name in report_names(con):
            table = fetch(con.execute(f"FROM reports.{name} LIMIT 100"), name)
            for width in (50, 80, 120):
                check_what_a_person_reads(table, width)


def test_every_report_in_every_format(world: Clipmart) -> None:
    """The four main ones by the command, and the first rows of all as the command renders them."""
    done = [world("report", "--format", name) for name in ("table", "json")]
    assert [(one.code, one.err) for one in done] == [(0, "")] * 2
    assert not problems(world, done[0].out)
    assert len(strict_json(done[1].out)) == 4
    with open_published(Settings(data_dir=world.data_dir, pinned_now=NOW)) as con:
        for name in report_names(con):
            tables = [fetch(con.execute(f"FROM reports.{name} LIMIT 100"), name)]
            check_formats(world, {f: render(tables, f) for f in FORMATS})


@pytest.mark.soak
def test_every_report_by_its_command(world: Clipmart) -> None:
    """The whole matrix through the command line itself, and every row."""
    with open_published(Settings(data_dir=world.data_dir, pinned_now=NOW)) as con:
        names = report_names(con)
    for name in [None, *names]:
        done = {f: world("report", *([name] if name else []), "--format", f) for f in FORMATS}
        assert {(one.code, one.err) for one in done.values()} == {(0, "")}, name
        check_formats(world, {f: one.out for f, one in done.items()})


def test_the_numbers_make_sense(world: Clipmart) -> None:
    """Counts are whole and not negative, shares from 0 to 1, parts add up to their whole."""
    with open_published(Settings(data_dir=world.data_dir, pinned_now=NOW)) as con:
        report = {
            name: strict_json(as_json([fetch(con.execute(f"FROM reports.{name}"), name)]))[name]
            for name in report_names(con)
            if name != "credit_usage"  # its audits reconcile it; ten years of days take seconds
        }
    counts = ("clips", "jobs", "videos", "ready", "failed", "pending", "published", "row_count")
    for name, rows in report.items():
        for row in rows:
            assert all(type(row[c]) is int and row[c] >= 0 for c in counts if c in row), (name, row)
    for row in report["video_readiness"] + report["video_readiness_by_platform"]:
        assert row["ready"] + row["failed"] + row["pending"] == row["videos"]
        assert row["readiness"] is None or 0 <= row["readiness"] <= 1
    shares = [row["share_of_clips"] for row in report["moment_types"]]
    assert sum(shares) == pytest.approx(1 if shares else 0)
    assert all(row["mean_score"] is None or row["clips"] for row in report["shareability"])


def check_file(world: Clipmart, *command: str) -> None:
    done = world(*command)
    assert (done.code, done.err) == (0, "")
    assert not problems(world, (world.folder / command[-1]).read_text())


def test_the_page_is_written(world: Clipmart) -> None:
    """Without an invisible character; a browser opens it in another test."""
    check_file(world, "report", "--no-links", "--html", "report.html")


@pytest.mark.parametrize("world", worlds("undocumented_fields", "nothing_at_all"), indirect=True)
def test_the_dictionary_is_written(world: Clipmart) -> None:
    """With columns that nobody documented, too."""
    check_file(world, "docs", "dictionary.html")


@pytest.mark.parametrize("world", worlds(*NOTED), indirect=True)
def test_status_shows_the_state(world: Clipmart) -> None:
    """In 80 columns, except for paths."""
    done = world("status")
    assert (done.code, done.err) == (0, "")
    assert not problems(world, done.out)
    assert [line for line in done.out.splitlines() if cell_len(line) > 80 and "/" not in line] == []


@pytest.fixture(scope="module")
def quiet_sandbox() -> Iterator[Sandbox]:
    """Both APIs, empty: doctor asks them whether the keys are good."""
    with running(Sandbox(now=NOW, minute_seconds=0)) as served:
        yield served


@pytest.mark.parametrize("world", worlds(*WARNED), indirect=True)
def test_doctor_says_what_to_do(world: Clipmart, quiet_sandbox: Sandbox) -> None:
    """With good keys, no world has more than a warning."""
    keys = {
        "KLIPIT_BASE_URL": quiet_sandbox.klipit_url,
        "CLIPUS_BASE_URL": quiet_sandbox.clipus_url,
        "KLIPIT_API_KEY": "klipit_sk_sandbox",
        "CLIPUS_API_KEY": "sk_live_sandbox",
        "CLIPMART_MINUTE_SECONDS": "0",
    }
    done = Clipmart(world.folder, {**world.environ, **keys})("doctor")
    assert (done.code, done.err) == (0, ""), done.out
    assert not problems(world, done.out)


@pytest.mark.parametrize("world", worlds(*LISTED), indirect=True)
def test_ids_and_rejected_records_are_listed(world: Clipmart) -> None:
    """Both succeed; the list of ids is CSV with a row for each."""
    rejected = world("rejected")
    assert rejected.code == 0
    assert not problems(world, rejected.out)
    for service, column in (("klipit", "job_id"), ("clipus", "campaign_id")):
        listed = world("ids", service)
        assert listed.code == 0
        known = world.rows(f"SELECT DISTINCT {column} FROM {service}.submissions")
        listed_ids = {row[column] for row in csv.DictReader(io.StringIO(listed.out, newline=""))}
        assert listed_ids == {id_ for (id_,) in known if id_}


@pytest.mark.parametrize("world", worlds(*QUERIED), indirect=True)
@pytest.mark.parametrize("sql", QUERIES)
def test_a_query_shows_what_landed(world: Clipmart, sql: str) -> None:
    """With columns and texts that nobody documented, too."""
    outputs = {}
    for name in FORMATS:
        done = world("query", sql, "--format", name)
        assert (done.code, done.err) == (0, "")
        outputs[name] = done.out
    check_formats(world, outputs)
