"""Every notebook runs from top to bottom on the demo's data and shows its saved outputs.

After a change of their outputs: python -m tests.support.run_notebooks
"""

from __future__ import annotations

import ast
import html
import json
import math
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from itertools import chain, combinations, pairwise
from pathlib import Path
from statistics import fmean
from tempfile import gettempdir
from typing import Any

import duckdb
import pytest

from pipelines.warehouse import connect
from tests.support.demo_run import NOW, DemoRun, clean_environment
from tests.support.run_notebooks import FOLDER, NOTEBOOKS, Run
from tests.support.worlds import published_world

pytestmark = pytest.mark.xdist_group("demo")  # another worker would only wait for it

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
Notebook = dict[str, Any]
START = NOTEBOOKS[0]


@pytest.fixture(scope="module")
def shown(demo_run: DemoRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Notebook]:
    """What the notebooks show, by name and occasion: run once, in one kernel.

    `02_… demo`, `02_… empty`, `02_… odd` and so on; of the first notebook's opening also `from .`,
    `from notebooks`, `own`, `relative` and `nothing`.
    """
    folder = tmp_path_factory.mktemp("notebooks")
    empty, odd, checkout, owner, bare = (
        folder / name for name in ("empty", "odd", "checkout", "own", "bare")
    )
    store(demo_run.data_dir, empty, EMPTIED)
    store(demo_run.data_dir, odd, ODD_TEXT)
    for place, (origin, below) in (
        (checkout, (demo_run.data_dir, "data/demo")),
        (owner, (demo_run.data_dir, "data/demo")),
        (owner, (empty, "data")),
    ):
        (place / "notebooks").mkdir(parents=True, exist_ok=True)
        (place / below).mkdir(parents=True, exist_ok=True)
        shutil.copy(origin / "warehouse.duckdb", place / below)
    (bare / "notebooks").mkdir(parents=True)

    runs: dict[str, Run] = {}

    def run(path: Path, occasion: str, start: Path, cells: int | None = None, **env: str) -> None:
        name = f"{path.stem} {occasion}"
        into = str(folder / f"{len(runs)}.ipynb")
        runs[name] = Run(str(path), into, str(start), env, cells)

    for path in NOTEBOOKS:
        at_demo: dict[str, Any] = {"CLIPMART_DATA_DIR": str(demo_run.data_dir), "CLIPMART_NOW": NOW}
        run(path, "demo", FOLDER, **at_demo)
        run(path, "empty", FOLDER, CLIPMART_DATA_DIR=str(empty))
        run(path, "odd", FOLDER, CLIPMART_DATA_DIR=str(odd), CLIPMART_NOW=NOW)
    for world in ("ids_without_metadata", "no_created_at"):
        data = str(published_world(world, folder / world).data_dir)
        for path in NOTEBOOKS[:2]:
            run(path, world, FOLDER, CLIPMART_DATA_DIR=data, CLIPMART_NOW="2026-04-30T12:00:00Z")
    data = str(published_world("control_characters", folder / "control_characters").data_dir)
    for path in NOTEBOOKS[1:]:
        run(path, "control", FOLDER, CLIPMART_DATA_DIR=data, CLIPMART_NOW="2026-04-30T12:00:00Z")
    run(START, "from .", checkout, 1)
    run(START, "from notebooks", checkout / "notebooks", 1)
    run(START, "own", owner / "notebooks", 1)
    run(START, "relative", owner / "notebooks", 1, CLIPMART_DATA_DIR="data/demo")
    run(START, "nothing", bare / "notebooks", 1)
    own_page = folder / "closed.ipynb"
    own_page.write_text(json.dumps(CLOSED))
    run(own_page, "own page", owner / "notebooks")

    plan = folder / "runs.json"
    plan.write_text(json.dumps([asdict(one) for one in runs.values()]))
    done = subprocess.run(  # in a process of its own: a kernel's sockets outlive what opened them
        [sys.executable, "-m", "tests.support.run_notebooks", plan],
        cwd=FOLDER.parent,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: read(Path(one.into)) for name, one in runs.items()}


def read(path: Path) -> Notebook:
    """A notebook as JSON, each list of lines put together (importing nbformat takes seconds)."""

    def whole(node: Notebook) -> Notebook:
        return {
            key: "".join(value)
            if value and isinstance(value, list) and isinstance(value[0], str)
            else value
            for key, value in node.items()
        }

    notebook: Notebook = json.loads(path.read_text(), object_hook=whole)
    return notebook


# Statements that make statements, for each table and text column of the file.
EMPTIED = """
    SELECT format('DELETE FROM {}.{}', schema_name, table_name)
    FROM duckdb_tables() WHERE table_name <> 'publication'
"""
ODD_TEXT = """
    SELECT format(
        'UPDATE {0}.{1} SET {2} = ''<script>alert(1)</script><b>'' || {2}',
        schema_name, table_name, column_name
    )
    FROM duckdb_columns()
    WHERE column_name IN
        ('show_name', 'guest_name', 'moment_type', 'title', 'platform', 'url', 'hook_suggestion')
    AND (schema_name, table_name) IN (SELECT (schema_name, table_name) FROM duckdb_tables())
"""


CLOSED = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell{number}",
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(
            (
                "from clipmart.notebook import open_data; con = open_data()",
                "from clipmart import connect; newer = connect()",
                "con.sql('SELECT 1')",
            )
        )
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
"""A page that goes on using a connection after opening another."""


def store(data_dir: Path, into: Path, statements: str) -> None:
    """A copy of a published file, changed."""
    into.mkdir()
    with duckdb.connect(shutil.copy(data_dir / "warehouse.duckdb", into)) as con:
        for (statement,) in con.execute(statements).fetchall():
            con.execute(statement)


def code(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def said(cell: Notebook) -> list[str]:
    """What each of a cell's outputs shows: text as it is, a chart's words and values."""
    words = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/svg+xml" in data:
            svg = data["image/svg+xml"]
            words += re.findall(r">([^<>]+)</text>", svg) + re.findall(r'aria-label="(.+?)"', svg)
        else:
            words.append(data.get("text/html") or data.get("text/plain") or str(output.get("text")))
        words.append(str(output.get("evalue", "")))
    return words


def table(notebook: Notebook, cell_id: str) -> list[dict[str, str]]:
    """The rows of the table that a cell shows."""
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == cell_id]
    rows = [
        [html.unescape(text) for text in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", cell["outputs"][0]["data"]["text/html"], re.S)
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def text(notebook: Notebook, cell_id: str) -> str:
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == cell_id]
    return "".join(said(cell))


def test_there_are_five_notebooks() -> None:
    """The tests below would pass without one."""
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@each_notebook
def test_a_notebook_shows_its_saved_outputs(path: Path, shown: dict[str, Notebook]) -> None:
    """Every table, sentence and value in a chart is what the demo's data gives today."""
    run, saved = shown[f"{path.stem} demo"], read(path)
    for now, before in zip(code(run), code(saved), strict=True):
        assert said(now) == said(before), now["source"]


@each_notebook
def test_a_notebook_runs_on_an_empty_store(path: Path, shown: dict[str, Notebook]) -> None:
    """To its end, without an error or a warning."""
    run = shown[f"{path.stem} empty"]
    kinds = {
        output.get("name", output["output_type"]) for c in code(run) for output in c["outputs"]
    }
    assert kinds <= {"stdout", "execute_result", "display_data"}
    assert all(cell["execution_count"] for cell in code(run))
    last = {"01": "answer", "02": "short", "03": "short", "04": "short", "05": "short"}
    assert re.search("No |There are no", text(run, last[path.stem[:2]]))


@pytest.mark.parametrize("world", ["ids_without_metadata", "no_created_at"])
@pytest.mark.parametrize("path", NOTEBOOKS[:2], ids=lambda path: path.stem)
def test_a_notebook_runs_without_names_or_dates(
    path: Path, world: str, shown: dict[str, Notebook]
) -> None:
    """In a kernel, as in the tests over all worlds: no error, and no sentence with None."""
    outputs = [o for cell in code(shown[f"{path.stem} {world}"]) for o in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert "None" not in "".join(str(o["text"]) for o in outputs if o["output_type"] == "stream")


@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_a_chart_survives_control_characters(path: Path, shown: dict[str, Notebook]) -> None:
    """NUL, ESC or a line separator in a name once ended the kernel; in a chart they are visible."""
    outputs = [o for cell in code(shown[f"{path.stem} control"]) for o in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error"]
    charts = "".join(o.get("data", {}).get("image/svg+xml", "") for o in outputs)
    assert "<svg" in charts
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u2028]", charts)


def test_the_first_notebook_names_every_report(shown: dict[str, Notebook]) -> None:
    """Tables and views alike, each with its description."""
    rows = table(shown["01_start_here demo"], "reports")
    models = (FOLDER.parent / "sql/models/reports").glob("*.sql")
    assert [row["report"] for row in rows] == sorted(path.stem for path in models)
    assert all(len(row["what_it_tells"]) > 20 for row in rows)


@each_notebook
def test_links_lead_to_files_that_jupyterlab_serves(path: Path) -> None:
    """From the notebook's folder to a file of the checkout, which is JupyterLab's root folder."""
    for cell in read(path)["cells"]:
        for link in re.findall(
            r"\]\(([^)#\s]+)", cell["source"] * (cell["cell_type"] == "markdown")
        ):
            target = (FOLDER / link).resolve()
            assert target.is_file() and target.is_relative_to(FOLDER.parent), link
    for place in (FOLDER.parent / "Makefile", FOLDER.parent / "README.md"):
        assert "lab --ServerApp.root_dir=. notebooks/01_start_here.ipynb" in place.read_text()


@each_notebook
def test_text_of_an_api_stays_text(path: Path, shown: dict[str, Notebook]) -> None:
    """Names, titles and hooks that look like HTML are shown as text."""
    outputs = [o for cell in code(shown[f"{path.stem} odd"]) for o in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error"]
    for kind in ("text/html", "image/svg+xml"):
        marked = "".join(o.get("data", {}).get(kind, "") for o in outputs)
        assert not re.search("<script|<b>", marked)
    assert "&lt;script&gt;" in json.dumps(outputs)


@pytest.mark.parametrize(
    ("occasion", "data"),
    [
        ("from .", "the demo's made-up data"),
        ("from notebooks", "the demo's made-up data"),
        ("own", "your own data in /"),
        ("relative", "the demo's made-up data"),
    ],
)
def test_a_notebook_finds_its_data(occasion: str, data: str, shown: dict[str, Notebook]) -> None:
    """From any folder: CLIPMART_DATA_DIR, else data/, else the demo; it says which."""
    (opening, *_) = code(shown[f"{START.stem} {occasion}"])
    assert f"This page reads {data}" in said(opening)[0]
    assert ", published on 22 April 2026 at 16:00 UTC" in said(opening)[0]


def test_without_data_it_says_what_to_do(shown: dict[str, Notebook]) -> None:
    """Before anything is published: where it looked and the command to run, in one line."""
    (output,) = code(shown[f"{START.stem} nothing"])[0]["outputs"]
    assert re.search(
        r"bare/notebooks/data, nor in data of .* Run `.*clipmart sync` f", output["evalue"]
    )
    assert output["traceback"] == f"NotPublished: {output['evalue']}"


def test_a_closed_connection_says_why(shown: dict[str, Notebook]) -> None:
    """DuckDB's own error does not; in Jupyter a note follows it."""
    (output,) = code(shown["closed own page"])[-1]["outputs"]
    assert output["evalue"].endswith(("already closed!", "already been closed"))
    assert output["traceback"].endswith("or run this page again from the top.")


@pytest.mark.parametrize(
    ("variable", "dotenv", "data_dir"),
    [(None, None, "data"), (None, "'my data'", "my data"), ("/mnt/clips", "other", "/mnt/clips")],
)
def test_make_notebooks_opens_the_first_on_your_data(
    variable: str | None, dotenv: str | None, data_dir: str, tmp_path: Path
) -> None:
    """`make notebooks` starts JupyterLab with the folder that the variable or .env names."""
    if dotenv:
        (tmp_path / ".env").write_text(f"CLIPMART_DATA_DIR={dotenv}\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "jupyter").write_text('#!/bin/sh\necho "$CLIPMART_DATA_DIR: $*"\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    done = subprocess.run(
        [
            "make",
            "-s",
            "-f",
            FOLDER.parent / "Makefile",
            "-o",
            "install",
            "notebooks",
            f"BIN={programs}",
        ],
        cwd=tmp_path,
        env=clean_environment() | ({"CLIPMART_DATA_DIR": variable} if variable else {}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout
        == f"{tmp_path / data_dir}: lab --ServerApp.root_dir=. notebooks/01_start_here.ipynb\n"
    )


@each_notebook
def test_a_notebook_is_committed_clean(path: Path) -> None:
    """It was run in order, without errors, and has no path of any machine."""
    notebook = read(path)
    assert [cell["execution_count"] for cell in code(notebook)] == [
        number for number, _ in enumerate(code(notebook), 1)
    ]
    saved = path.read_text()
    for word in (str(FOLDER.parent), str(Path.home()), gettempdir(), '"error"', "stderr"):
        assert word not in saved
    assert len(saved) < 150_000


@each_notebook
def test_a_chart_needs_no_network_and_no_script(path: Path) -> None:
    """Charts are saved as pictures only, with a white background and a title."""
    outputs = [o for cell in code(read(path)) for o in cell["outputs"]]
    charts = [o["data"] for o in outputs if "image/svg+xml" in o.get("data", {})]
    assert bool(charts) is (path != START)
    for chart in charts:
        assert set(chart) <= {"image/svg+xml", "text/plain"}
        svg = chart["image/svg+xml"]
        assert re.match(r'<svg [^>]*><rect width="\d+" height="\d+" fill="white"', svg)
        assert re.search(r"role-title-text.*?\?", svg, re.S)
        assert not re.search(r"<script|<image|href=|url\(http", svg)
    assert not re.search(r"vega|<script", json.dumps(outputs))


@each_notebook
def test_a_notebook_reads_only_through_the_warehouse(path: Path) -> None:
    """It imports nothing else that could reach data, and writes nothing."""
    cells = code(read(path))
    source = "\n".join(cell["source"] for cell in cells)
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= {"clipmart", "clipmart.notebook", "numpy", "pandas"}
    assert not any(word in source for word in ("http", "chdir", "to_csv", "open("))
    assert "SELECT" in source


@each_notebook
def test_a_notebook_opens_with_an_answer(path: Path) -> None:
    """Its set-up is three lines, and every input is folded."""
    cells = code(read(path))
    assert len([line for line in cells[0]["source"].splitlines() if line]) <= 3
    assert all(cell["metadata"]["jupyter"]["source_hidden"] for cell in cells)


# --- The numbers that the notebooks work out themselves, against plain Python --------------------


@pytest.fixture(scope="module")
def data(demo_run: DemoRun) -> dict[str, list[dict[str, Any]]]:
    """The demo's landing tables as lists of rows."""
    names = ("klipit.clips", "klipit.submissions", "klipit.account_snapshots", "clipus.videos")
    with duckdb.connect(str(demo_run.data_dir / "warehouse.duckdb"), read_only=True) as con:
        return {name: con.sql(f"FROM {name}").df().to_dict("records") for name in names}  # type: ignore[misc]


def test_the_clip_to_post_next_is_the_best(
    shown: dict[str, Notebook], data: dict[str, list[dict[str, Any]]]
) -> None:
    """One clip for each episode; the first is the best of the last 30 days."""
    rows = table(shown["01_start_here demo"], "next")
    assert len({row["episode"] for row in rows}) == len(rows) == 10
    at = {row["job_id"]: row["submitted_at"] for row in data["klipit.submissions"]}
    since = datetime.fromisoformat(NOW).timestamp() - 30 * 86_400
    fitting = [
        clip["shareability_score"]
        for clip in data["klipit.clips"]
        if at[clip["job_id"]].timestamp() >= since
    ]
    assert float(rows[0]["score"]) == max(score for score in fitting if not math.isnan(score))


def test_a_guest_by_luck(shown: dict[str, Notebook], data: dict[str, list[dict[str, Any]]]) -> None:
    """The shuffles come close to all possible assignments of the names, counted out."""
    scores: dict[str, list[float]] = {}
    for clip in data["klipit.clips"]:
        if clip["shareability_score"] == clip["shareability_score"]:
            scores.setdefault(clip["job_id"], []).append(clip["shareability_score"])
    episodes = [
        (row["guest_name"] == "Émile Dufour", scores[row["job_id"]])
        for row in data["klipit.submissions"]
        if row["show_name"] == "Über Gründer" and row["job_id"] in scores
    ]

    def lift(theirs: Iterable[list[float]]) -> float:
        return fmean(chain(*theirs)) - fmean(chain(*(clips for _, clips in episodes)))

    theirs = [clips for is_theirs, clips in episodes if is_theirs]
    seen = lift(theirs)
    ways = [
        abs(lift(picked)) >= abs(seen) - 1e-9
        for picked in combinations([clips for _, clips in episodes], len(theirs))
    ]
    (row,) = [
        row
        for row in table(shown["02_shows_and_guests demo"], "guests")
        if row["guest"] == "Émile Dufour"
    ]
    assert float(row["lift"]) == pytest.approx(seen, abs=0.051)
    assert float(row["by_luck"]) == pytest.approx(100 * fmean(ways), abs=3)


def test_a_kind_above_average(
    shown: dict[str, Notebook], data: dict[str, list[dict[str, Any]]]
) -> None:
    """In the sandbox reveals and stories score high and how-tos low, and so it is shown."""
    short = text(shown["03_moment_types demo"], "short").splitlines()
    assert "founder_reveal" in short[0]
    assert "how_to" in short[1]
    kinds = {clip["moment_type"] for clip in data["klipit.clips"]}
    named = [kind for line in short for kind in line.split(": ")[1].split(", ") if kind != "none"]
    assert sorted(named) == sorted(kinds)


def test_every_video_is_in_one_state(
    shown: dict[str, Notebook], data: dict[str, list[dict[str, Any]]]
) -> None:
    """Counted by hand; the likely range of failures solves Wilson's equation."""
    videos = data["clipus.videos"]
    states = Counter(
        "1 published"
        if video["published_at"] == video["published_at"]
        else {"ready": "2 ready, not published", "failed": "4 failed"}.get(
            video["status"], "3 pending"
        )
        for video in videos
    )
    rows = table(shown["04_video_readiness demo"], "far")
    assert {row["state"]: int(row["videos"]) for row in rows} == states
    for row in table(shown["04_video_readiness demo"], "rates"):
        of = [v["status"] for v in videos if v["platform"] == row["platform"]]
        n, k = int(row["ended"]), int(row["failed"])
        assert (n, k) == (sum(s in ("ready", "failed") for s in of), of.count("failed"))

        def outside(percent: float, n: int = n, k: int = k) -> float:
            p = max(percent / 100, 0)
            return float(abs(k / n - p) - 1.645 * (p * (1 - p) / n) ** 0.5)

        low, high = float(row["low"]), float(row["high"])  # whole per cents
        assert outside(low - 0.5) >= 0 >= outside(low + 0.5)
        assert outside(high - 0.5) <= 0 <= outside(high + 0.5)


def test_the_cost_of_the_shows_adds_up(
    shown: dict[str, Notebook], data: dict[str, list[dict[str, Any]]]
) -> None:
    """The estimate divides what was used; nothing is lost or added."""
    snapshots = sorted(data["klipit.account_snapshots"], key=lambda row: row["observed_at"])
    used = sum(max(a["balance"] - b["balance"], 0) for a, b in pairwise(snapshots))
    shows = table(shown["05_credits demo"], "shows")
    assert sum(float(row["credits"]) for row in shows) == pytest.approx(used, abs=0.3)
    assert sum(int(row["clips"]) for row in shows) == len(data["klipit.clips"])
    assert f"{used:g} of the {used:g} credits" in text(shown["05_credits demo"], "unexplained")
    assert f"{used:g} credits were used" in text(shown["05_credits demo"], "short")


def test_notebooks_and_reports_agree(
    demo_run: DemoRun, shown: dict[str, Notebook], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the show that does best and on the day the credits are used up."""
    monkeypatch.setenv("CLIPMART_NOW", NOW)
    con = connect(demo_run.data_dir)
    ((show,),) = con.execute("SELECT show_name FROM staging.best_show").fetchall()
    ((day,),) = con.execute("SELECT used_up_on FROM staging.credit_forecast").fetchall()
    answers = {
        row["page"]: row["short_answer"] for row in table(shown["01_start_here demo"], "answers")
    }
    assert answers["02"].startswith(f"{show}: ")
    assert text(shown["02_shows_and_guests demo"], "short").startswith(f"{show} does best")
    for sentence in (
        answers["05"],
        text(shown["05_credits demo"], "paces"),
        text(shown["05_credits demo"], "short"),
    ):
        assert f"used up on {day:%d %B %Y}" in sentence
