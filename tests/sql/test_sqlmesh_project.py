"""The SQLMesh project by itself: its unit tests pass and its linter is content."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from landing_data import DECLARED, NOW, ROOT
from pandas.testing import assert_frame_equal

from pipelines.warehouse import compiler, models
from pipelines.warehouse.models import BuildFailed

pytestmark = pytest.mark.xdist_group("sqlmesh")  # a context takes seconds


@pytest.fixture(scope="module")
def context() -> Iterator[Any]:
    """The project as `sqlmesh -p sql` opens it: on no file, every column qualified."""
    with compiler.sqlmesh_project() as project:
        project.load()
        yield project


def test_unit_tests_pass(context: Any) -> None:
    """Hand-checkable numbers, run on their own inputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLMesh compares by calls that pandas retires
        result = context.test()
    assert result.wasSuccessful(), [text for _, text in result.failures + result.errors]
    assert result.testsRun >= 15


def test_every_report_has_a_unit_test() -> None:
    """Each model of models/reports is named by a test of sql/tests."""
    tested = {
        test["model"]
        for path in (ROOT / "sql" / "tests").glob("*.yaml")
        for test in yaml.safe_load(path.read_text("utf-8")).values()
    }
    reports = {f"reports.{path.stem}" for path in (ROOT / "sql/models/reports").glob("*.sql")}
    assert len(reports) == 10
    assert reports <= tested


def test_lint_is_clean(context: Any) -> None:
    """With the rules that config.yaml chooses."""
    assert context.config.linter.enabled
    assert context.lint_models() == []


def test_lint_does_find_a_fault(context: Any) -> None:
    """A model with a star and no audit, to prove that the rules are on."""
    from sqlmesh.core.dialect import parse
    from sqlmesh.core.model import load_sql_based_model

    bad = load_sql_based_model(
        parse("MODEL (name reports.bad, kind VIEW); SELECT * FROM klipit.nothing_declared"),
        default_catalog=context.default_catalog,
    )
    found, violations = context._linters[""].lint_model(bad, context, console=context.console)
    assert found
    names = {violation.rule.name for violation in violations}
    assert {"noselectstar", "nomissingaudits", "nomissingexternalmodels"} <= names


def test_what_is_kept_is_what_sqlmesh_makes_of_the_project(context: Any) -> None:
    """Or `make models` was forgotten; `context` is here only so that they share a process."""
    kept = json.loads(models.COMPILED.read_text("utf-8"))
    assert kept == json.loads(json.dumps(asdict(compiler.compile_project())))


def test_a_plan_of_sqlmesh_makes_the_same_rows(context: Any, warehouse: Path) -> None:
    """Every view and table of a month, made by its own plan from the same landing tables."""
    con = context.engine_adapter.connection
    con.execute(f"SET TimeZone = 'UTC'; ATTACH '{warehouse}' AS built (READ_ONLY)")
    con.execute(f"SET VARIABLE clipmart_now = TIMESTAMPTZ '{NOW}'")
    for name in DECLARED:
        schema = name.partition(".")[0]
        con.execute(
            f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {name} AS FROM built.{name}"
        )
    context.plan(auto_apply=True, no_prompts=True, skip_tests=True)
    made = [model.name for model in context.models.values() if not model.kind.is_external]
    assert len(made) == 19
    for name in made:
        here, there = (
            con.execute(f"FROM {place}{name} ORDER BY ALL").df() for place in ("", "built.")
        )
        assert_frame_equal(here, there, obj=name)


def test_compiling_leaves_the_process_and_the_folder_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable set or lost, no folder of logs, nothing left of what SQLMesh put down."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SQLMESH_HOME", str(tmp_path / "home"))
    before = dict(os.environ)
    compiler.compile_project(tmp_path)
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, to be edited."""
    copy = tmp_path / "sql"
    shutil.copytree(ROOT / "sql", copy)
    monkeypatch.setattr(models, "SQL", copy)
    monkeypatch.setattr(models, "COMPILED", copy / "compiled.json")
    monkeypatch.setattr(compiler, "SQL", copy)
    return copy


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def test_an_edited_model_is_built_without_being_compiled_first(sql: Path, tmp_path: Path) -> None:
    """SQLMesh is asked then, so that an analyst sees the edit at the next build."""
    edit(sql / "models/reports/video_quota.sql", "::BIGINT AS videos", "::BIGINT + 1000 AS videos")
    (model,) = [m for m in models.project(tmp_path).models if m.name == "reports.video_quota"]
    assert "1000" in model.query


def test_half_a_compiled_file_is_made_good(sql: Path, tmp_path: Path) -> None:
    whole = models.project(tmp_path)
    models._known.clear()
    (sql / "compiled.json").write_text((sql / "compiled.json").read_text("utf-8")[:900], "utf-8")
    assert models.project(tmp_path) == whole


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("models/reports/video_quota.sql", "SELECT", "SELEKT", "video_quota"),
        ("models/reports/video_quota.sql", "kind FULL", "kind SEED (path 'a.csv')", "a.csv"),
        ("audits/keys.sql", "HAVING", "HAVING HAVING", "SQLMesh cannot read"),
        ("config.yaml", "linter:", "linter: [", "SQLMesh cannot read"),
        (
            "models/reports/top_clips.sql",
            "is_key(columns := (rank))",
            "not_null_non_blocking(columns := (rank))",
            "does not block",
        ),
    ],
    ids=["query", "kind", "audit", "config", "not blocking"],
)
def test_what_cannot_be_compiled_is_told_in_a_sentence(
    sql: Path, tmp_path: Path, file: str, old: str, new: str, told: str
) -> None:
    edit(sql / file, old, new)
    with pytest.raises(BuildFailed, match=f"(?s){told}.*clipmart publish"):
        models.project(tmp_path)
