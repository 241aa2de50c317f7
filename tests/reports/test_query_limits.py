"""The limits of `clipmart query`: time, memory, rows, and space below state/."""

from __future__ import annotations

import shutil

import pytest

from pipelines.settings import Address, Lake, Settings
from pipelines.warehouse.lake import redacted_answer
from tests.support.clipmart import Clipmart

SORT = (
    "SELECT max(length(a)) AS n FROM (SELECT range::VARCHAR || repeat('x', 80) AS a "
    "FROM range(2000000) ORDER BY hash(range) OFFSET 1000)"
)


@pytest.fixture
def clipmart(published: Settings) -> Clipmart:
    return Clipmart(published.data_dir.parent, {"CLIPMART_DATA_DIR": str(published.data_dir)})


def test_a_statement_ends_when_its_time_is_up(clipmart: Clipmart) -> None:
    """With exit code 1 and one line that names the setting."""
    clipmart.environ["CLIPMART_QUERY_SECONDS"] = "0.3"
    ended = clipmart(
        "query", "SELECT sum(a.range * b.range) FROM range(1e6::INT) a, range(1e6::INT) b"
    )
    assert ended.code == 1 and "after 0.3 s" in ended.err and "CLIPMART_QUERY_SECONDS" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.soak
def test_a_function_that_ignores_the_interrupt_is_ended_too(clipmart: Clipmart) -> None:
    """Comparing two long texts takes minutes; the process ends a few seconds late."""
    clipmart.environ["CLIPMART_QUERY_SECONDS"] = "0.3"
    sql = "SELECT levenshtein(repeat('a', 500000), repeat('b', 500000))"
    ended = clipmart.run("query", sql, timeout=30)
    assert ended.code == 1 and "CLIPMART_QUERY_SECONDS" in ended.err


@pytest.mark.parametrize(
    "sql", ["SELECT list(range) FROM range(100000000)", "SELECT len(range(1000000000))"]
)
def test_a_statement_ends_when_its_memory_is_used_up(clipmart: Clipmart, sql: str) -> None:
    """Lists count too, which DuckDB ignores: 8 GB here."""
    clipmart.environ["CLIPMART_QUERY_MEMORY"] = "100 MB"
    ended = clipmart("query", sql)
    assert ended.code == 1 and "CLIPMART_QUERY_MEMORY" in ended.err, ended
    assert ended.err.count("\n") == 1


def test_data_too_large_for_memory_is_written_below_state_and_removed(clipmart: Clipmart) -> None:
    """So is what a killed query left; without a state folder nothing is written."""
    clipmart.environ["CLIPMART_QUERY_MEMORY"] = "100 MB"
    state = clipmart.data_dir / "state"
    (state / "tmp-query-999999999").mkdir()
    before = {path for path in clipmart.folder.rglob("*") if "tmp-query" not in path.name}
    assert clipmart("query", SORT, "--format", "csv").out == "n\n87\n"
    assert set(clipmart.folder.rglob("*")) == before
    shutil.rmtree(state)
    ended = clipmart("query", SORT)
    assert ended.code == 1 and "CLIPMART_QUERY_MEMORY" in ended.err, ended
    assert not state.exists() and not (clipmart.folder / ".tmp").exists()


def test_more_than_a_million_rows_are_printed_only_as_csv(clipmart: Clipmart) -> None:
    """As they come, under one header; another format would fill the memory first."""
    ended = clipmart("query", "SELECT range AS n FROM range(1000001)", "--format", "json")
    assert (ended.code, ended.out) == (1, "") and "--format csv" in ended.err
    lines = clipmart("query", "SELECT range AS n FROM range(25000)", "--format", "csv").out
    assert lines.splitlines() == ["n", *map(str, range(25000))]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CLIPMART_QUERY_SECONDS", "soon"),
        ("CLIPMART_QUERY_SECONDS", "-1"),
        ("CLIPMART_QUERY_MEMORY", "1 MB"),
        ("CLIPMART_QUERY_MEMORY", "a lot"),
    ],
)
def test_a_limit_that_cannot_be_read_is_named(
    clipmart: Clipmart, variable: str, value: str
) -> None:
    """Exit 3, and the variable."""
    clipmart.environ[variable] = value
    ended = clipmart("query", "SELECT 1")
    assert ended.code == 3 and variable in ended.err


def test_an_answer_leaves_out_the_lakes_password_and_no_other_word() -> None:
    """It is hidden in an address, encoded or not; a show of the same name is shown."""
    lake = Lake(
        Address("postgresql://me:hunter%402@host/db", "CLIPMART_LAKE_CATALOG"),
        "files",
        s3_secret="s3cr3t-key",
    )
    rows = "hunter@2,postgres:postgresql://me:hunter%402@host/db,password=hunter@2,s3cr3t-key"
    assert redacted_answer(lake, rows) == (
        "hunter@2,postgres:postgresql://me:…@host/db,password=…,…"
    )
