"""The SQLMesh project by itself: its unit tests pass and its linter reports nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from pandas.testing import assert_frame_equal

from pipelines.warehouse import compiled, compiler
from pipelines.warehouse.build import build
from pipelines.warehouse.errors import BuildFailed
from sources.clipus import settings as clipus
from sources.klipit import settings as klipit
from tests.support.landing_data import DECLARED, NOW, ROOT

pytestmark = pytest.mark.xdist_group("sqlmesh")  # a context takes seconds


@pytest.fixture(scope="module")
def context() -> Iterator[Any]:
    """The project as `sqlmesh -p sql` opens it: on no file, every column qualified."""
    with compiler.sqlmesh_project() as project:
        project.load()
        yield project


def test_unit_tests_pass(context: Any) -> None:
    """Numbers that can be checked by hand, on their own inputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLMesh compares by calls that pandas retires
        result = context.test()
    assert result.wasSuccessful(), [text for _, text in result.failures + result.errors]
    assert result.testsRun >= 15


def test_every_report_has_a_unit_test() -> None:
    """Each model that computes a number which a person sees is named by a test of sql/tests."""
    tested = {
        test["model"]
        for path in (ROOT / "sql" / "tests").glob("*.yaml")
        for test in yaml.safe_load(path.read_text("utf-8")).values()
    }
    models = ROOT / "sql/models"
    shown = {f"reports.{path.stem}" for path in models.glob("reports/*.sql")}
    shown |= {f"staging.{path.stem}" for path in models.glob("staging/page_*.sql")}
    assert len(shown) == 24
    assert shown <= tested


def test_models_are_laid_out_for_reading() -> None:
    """At most 110 columns, and conditions such as IS NOT NULL."""
    for path in (ROOT / "sql").glob("[am]*/**/*.sql"):
        text = path.read_text("utf-8")
        assert max(map(len, text.splitlines())) <= 110, path
        assert not re.search(r"NOT \S+ IS NULL", text), path


@pytest.mark.parametrize("service", [klipit, clipus], ids=["klipit", "clipus"])
def test_the_status_words_are_those_of_the_sources(con: Any, service: ModuleType) -> None:
    """SQL cannot import them, so this compares the two lists."""
    rows = con.execute("FROM staging.status_words").fetchall()
    assert {word for word, outcome in rows if outcome == "finished"} == service.FINISHED
    assert {word for word, outcome in rows if outcome == "failed"} == service.FAILED


def test_lint_is_clean(context: Any) -> None:
    """With the rules that config.yaml chooses."""
    assert context.config.linter.enabled
    assert context.lint_models() == []


def test_lint_finds_a_fault(context: Any) -> None:
    """A model with a star and no audit proves that the rules are on."""
    from sqlmesh.core.dialect import parse
    from sqlmesh.core.model import load_sql_based_model

    bad = load_sql_based_model(
        parse("MODEL (name reports.bad, kind VIEW); SELECT * FROM klipit.nothing_declared"),
        default_catalog=context.default_catalog,
    )
    has_errors, violations = context._linters[""].lint_model(bad, context, console=context.console)
    assert has_errors
    names = {violation.rule.name for violation in violations}
    assert {"noselectstar", "nomissingaudits", "nomissingexternalmodels"} <= names


def test_the_saved_sql_is_what_sqlmesh_compiles(context: Any) -> None:
    """Otherwise `make models` was forgotten; `context` is here only to share a process."""
    assert compiled.saved() == compiler.compile_project()


def test_the_saved_sql_can_be_read_by_a_person() -> None:
    """Views, tables and comments as DuckDB takes them, and each audit by its name."""
    file = (ROOT / "sql/compiled/staging/stg_klipit__clips.sql").read_text("utf-8")
    parts = re.fullmatch(
        r"(.*)(CREATE VIEW .*;)\n\n(COMMENT ON VIEW .*;)\n\n(.*;)\n\n(.*;)\n", file, re.S
    )
    assert parts is not None
    heading, create, comments, key, reference = parts.groups()
    assert heading == "-- grain: clip_id\n-- reads: klipit.clips\n"
    assert create.splitlines()[:3] == [
        "CREATE VIEW staging.stg_klipit__clips AS",
        "SELECT",
        "  CAST(clips.id AS TEXT) AS clip_id,",
    ]
    assert "IS 'Why it may be shared, in the API''s words';" in comments
    assert key.startswith("-- audit: is_key\nSELECT\n")
    assert reference.startswith("-- audit: belongs_to\nSELECT\n")


def test_a_plan_of_sqlmesh_gives_the_same_rows(context: Any, warehouse: Path) -> None:
    """Every view and table of a month, by its own plan from the same landing tables."""
    con = context.engine_adapter.connection
    con.execute(f"SET TimeZone = 'UTC'; ATTACH '{warehouse}' AS built (READ_ONLY)")
    con.execute(f"SET VARIABLE clipmart_now = TIMESTAMPTZ '{NOW}'")
    for name in DECLARED:
        schema = name.partition(".")[0]
        con.execute(
            f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {name} AS FROM built.{name}"
        )
    context.plan(auto_apply=True, no_prompts=True, skip_tests=True)
    names = [model.name for model in context.models.values() if not model.kind.is_external]
    assert len(names) == 38
    for name in names:
        here, there = (
            con.execute(f"FROM {place}{name} ORDER BY ALL").df() for place in ("", "built.")
        )
        assert_frame_equal(here, there, obj=name)


def test_compiling_leaves_the_process_and_the_folder_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable set or lost, no log folder, nothing that SQLMesh wrote."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SQLMESH_HOME", str(tmp_path / "home"))
    before = dict(os.environ)
    project = set((ROOT / "sql").iterdir())
    compiler.compile_project(Path())
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []
    assert set((ROOT / "sql").iterdir()) == project


@pytest.fixture
def sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, to be edited."""
    copy = tmp_path / "sql"
    shutil.copytree(ROOT / "sql", copy)
    monkeypatch.setattr(compiled, "SQL", copy)
    return copy


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def test_an_edited_model_is_built_without_being_compiled_first(sql: Path, tmp_path: Path) -> None:
    """SQLMesh compiles it during the build, so an analyst sees the edit at once."""
    edit(sql / "models/reports/video_quota.sql", "videos, 0)::BIGINT", "videos, 1000)::BIGINT")
    (model,) = [m for m in compiler.project(tmp_path).models if m.name == "reports.video_quota"]
    assert "1000" in model.create


@pytest.mark.parametrize("damage", ["half a file", "a file less"])
def test_a_mixture_of_saved_sql_is_compiled_again(sql: Path, tmp_path: Path, damage: str) -> None:
    """As after a merge that took one side of some files."""
    whole = compiler.project(tmp_path)
    compiler._known.clear()
    file = sql / "compiled/reports/freshness.sql"
    if damage == "half a file":
        file.write_text(file.read_text("utf-8")[:900], "utf-8")
    else:
        file.unlink()
    assert compiler.project(tmp_path) == whole


def test_an_edit_without_sqlmesh_is_refused_in_a_line(
    sql: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names what to install, the command, and what happened to the data."""
    edit(sql / "models/reports/video_quota.sql", "videos, 0)::BIGINT", "videos, 1)::BIGINT")
    monkeypatch.setitem(sys.modules, "sqlmesh.core", None)
    with pytest.raises(BuildFailed) as refused:
        build(None, tmp_path / "warehouse.duckdb")
    message = str(refused.value)
    assert "\n" not in message and "Nothing was published" in message
    assert "pip install 'clipmart[models]'" in message and "`make models`" in message


def test_a_build_needs_no_sqlmesh(tmp_path: Path) -> None:
    """Only the saved SQL: neither SQLMesh nor SQLGlot is imported."""
    code = (
        "import sys; from pathlib import Path; from pipelines.warehouse.build import build;"
        "build(None, Path('warehouse.duckdb'));"
        "print({'sqlmesh', 'sqlglot', 'ruamel'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
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
def test_a_model_that_cannot_be_compiled_is_reported_in_a_sentence(
    sql: Path, tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    """It names the model."""
    edit(sql / file, old, new)
    with pytest.raises(BuildFailed, match=f"(?s){message}.*clipmart publish"):
        compiler.project(tmp_path)
