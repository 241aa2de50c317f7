"""AGENTS.md and the skill: in the format of agentskills.io, and as the models are now."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.agents.skill import SKILL, generated
from pipelines.reports.rows import fetch
from pipelines.warehouse.read import attach, query
from tests.support.demo_run import DemoRun

ROOT = Path(__file__).parents[2]
SAVED = ("AGENTS.md", "SKILL.md", "tables.md", "definitions.md", "recipes.md")


@pytest.fixture(scope="module")
def current() -> dict[Path, str]:
    return generated(ROOT)


def test_generated_parts_are_current(current: dict[Path, str]) -> None:
    """Otherwise `make models` was forgotten after an edit of a model, a decision or a recipe."""
    assert [path.name for path in current] == list(SAVED)
    assert [path for path, text in current.items() if (ROOT / path).read_text() != text] == []


def test_the_skill_has_the_front_matter_of_the_format() -> None:
    """A name equal to the folder's, a description of what it does and when; a short body."""
    text = (ROOT / SKILL / "SKILL.md").read_text()
    _, front, body = text.split("---\n", 2)
    fields: dict[str, Any] = yaml.safe_load(front)
    assert set(fields) == {"name", "description", "license", "compatibility"}
    assert fields["name"] == SKILL.name and re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", SKILL.name)
    assert 100 < len(fields["description"]) <= 1024 and "Use it when" in fields["description"]
    assert len(fields["compatibility"]) <= 500 and len(body.splitlines()) < 500


def test_the_parts_say_what_the_models_say(current: dict[Path, str]) -> None:
    """Seventeen reports with their grain, every column with its unit, every recipe."""
    texts = {path.name: text for path, text in current.items()}
    assert len(re.findall(r"^\| `\w+` \| .*One row per", texts["SKILL.md"], flags=re.M)) == 17
    assert "| days_left | DOUBLE | days |" in texts["tables.md"]
    assert "## klipit.clips\n" in texts["tables.md"] and "staging." not in texts["tables.md"][:400]
    assert texts["definitions.md"].count("\n**") > 40
    assert texts["recipes.md"].count("```sql") == 22


@pytest.mark.xdist_group("demo")
def test_every_recipe_of_the_skill_runs(current: dict[Path, str], demo_run: DemoRun) -> None:
    """As `clipmart query` runs it."""
    recipes = re.findall(r"```sql\n(.*?)```", current[SKILL / "references/recipes.md"], flags=re.S)
    with attach(demo_run.data_dir / "warehouse.duckdb") as con:
        assert all(fetch(query(con, sql)).columns for sql in recipes)
