"""The pages by task are run on the demo's data: commands, Python, SQL with its answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from pipelines.reports.render import as_markdown
from pipelines.reports.rows import fetch
from pipelines.warehouse.read import attach, query
from tests.support.demo_run import NOW, DemoRun, clean_environment

pytestmark = pytest.mark.xdist_group("demo")  # another worker would only wait for it

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def fenced(page: Path, language: str) -> list[tuple[str, str]]:
    """(the block's content, what follows it up to the next heading or block)."""
    pattern = rf"^```{language}\n(.*?)^```\n(.*?)(?=^#|^```|\Z)"
    return re.findall(pattern, page.read_text(), flags=re.M | re.S)


def questions() -> Iterator[Any]:
    """(page, SQL, the table that answers it, or nothing)."""
    for page in PAGES:
        for number, (sql, after) in enumerate(fenced(page, "sql"), 1):
            answer = "".join(re.findall(r"^\|.*\n", after, flags=re.M))
            yield pytest.param(page.stem, sql, answer, id=f"{page.name}-{number}")


def with_blocks(language: str) -> list[Path]:
    return [page for page in PAGES if fenced(page, language)]


@pytest.fixture(scope="module")
def folder(demo_run: DemoRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a checkout after a sync: its `data` is the demo's."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "data").symlink_to(demo_run.data_dir)
    (folder / "notebooks").symlink_to(ROOT / "notebooks")
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=folder,
        env=clean_environment() | {"CLIPMART_NOW": NOW, "PATH": path},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.parametrize(("page", "sql", "answer"), [*questions()])
def test_a_question_is_answered_as_shown(
    page: str, sql: str, answer: str, demo_run: DemoRun
) -> None:
    """Run unchanged, the SQL gives the table below it; if none is shown, it gives rows.

    Other programs run what their page says; `clipmart query` runs the rest.
    """
    now = datetime.fromisoformat(NOW)
    with attach(demo_run.data_dir / "warehouse.duckdb", now=now) as con:
        table = fetch(con.execute(sql) if page == "bi-tools" else query(con, sql))
    assert table.rows
    assert answer in (as_markdown(table), "")


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted((ROOT / "notebooks").glob("*.ipynb"))], ids=lambda page: page.name
)
def test_nothing_is_shown_that_duckdb_2_has_dropped(page: Path) -> None:
    """Its Python relations have no `fetchone`, and no Arrow table under the old name."""
    assert not re.findall(
        r"fetch_arrow_table|\.(?:sql|query|table|view)\([^\n]*\)\.fetchone", page.read_text()
    )


def test_the_recipes_are_questions_with_answers() -> None:
    """Each has its heading, its SQL and its answer; the first twelve take at most three lines."""
    page = ROOT / "docs" / "sql-recipes.md"
    assert len(re.findall(r"^## .*\?$", page.read_text(), flags=re.M)) == 22
    recipes = fenced(page, "sql")
    assert [after.strip()[:1] for _, after in recipes] == ["|"] * 22
    assert max(len(sql.splitlines()) for sql, _ in recipes[:12]) <= 3


# Python of a page without `console` blocks may need other programs; test_task_pages.py sees to it.
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.soak if page.name == "jupyter.md" else ())
        for page in with_blocks("console")
    ],
    ids=lambda page: page.name,
)
def test_a_page_works_from_top_to_bottom(page: Path, folder: Path) -> None:
    """Its commands print what is shown (`…` is any output), its Python prints nothing."""
    for block, _ in fenced(page, "(?:console|python)"):
        if not block.startswith("$ "):
            done = run([sys.executable, "-c", block], folder)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.M):
            done = run(["bash", "-euo", "pipefail", "-c", command], folder)
            assert done.returncode == 0, (command, done.stderr)
            pattern = re.sub(r"([\[\]?*])", r"[\1]", shown).replace("…\n", "*")
            assert fnmatchcase(done.stdout, pattern), (command, done.stdout)
