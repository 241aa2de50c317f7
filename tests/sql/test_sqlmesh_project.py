"""The SQLMesh project by itself: its unit tests pass and its linter is content."""

from __future__ import annotations

import json
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

from pipelines import compiler, models
from sources.shared.errors import ClipmartError


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
        here, there = (con.execute(f"FROM {place}{name}").df() for place in ("", "built."))
        assert_frame_equal(here, there, obj=name)


def test_an_edited_model_is_built_without_being_compiled_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLMesh is asked then, so that an analyst sees the edit; a mistake in it is told."""
    sql = tmp_path / "sql"
    shutil.copytree(ROOT / "sql", sql)
    monkeypatch.setattr(models, "SQL", sql)
    monkeypatch.setattr(models, "COMPILED", sql / "compiled.json")
    monkeypatch.setattr(compiler, "SQL", sql)
    edited = sql / "models" / "reports" / "video_quota.sql"
    text = edited.read_text("utf-8")

    edited.write_text(text.replace("::BIGINT AS videos", "::BIGINT + 1000 AS videos"), "utf-8")
    models.project.cache_clear()
    try:
        (model,) = [m for m in models.project().models if m.name == "reports.video_quota"]
        assert "1000" in model.query

        edited.write_text(text.replace("SELECT", "SELEKT"), "utf-8")
        models.project.cache_clear()
        with pytest.raises(ClipmartError, match="video_quota"):
            models.project()
    finally:
        models.project.cache_clear()
