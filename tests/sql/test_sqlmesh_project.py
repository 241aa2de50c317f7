"""The SQLMesh project by itself: its unit tests pass and its linter is content."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from landing_data import ROOT

from pipelines import build


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The project as `sqlmesh -p sql` opens it: on no file, every column qualified."""
    folder = tmp_path_factory.mktemp("project")
    build.import_sqlmesh()
    from sqlmesh.core.context import Context

    with build._environment(
        CLIPMART_BUILD_CACHE=str(folder / "cache"), SQLMESH_HOME=str(folder / "home")
    ):
        project = Context(paths=[str(build.SQL)])
        yield project
        project.close()


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
