"""Statements that reach for something else, or would not end: refused or stopped, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.agent import Agent, over_stdio
from tests.support.clipmart import Clipmart
from tests.support.hostile_sql import BEYOND, OUTSIDE, WITHOUT_END

pytestmark = pytest.mark.xdist_group("demo")  # another worker would only wait for it

AROUND_THE_LIMIT = [
    "SELECT 1) UNION ALL (SELECT 2",
    "SELECT 1) LIMIT 1; DROP TABLE klipit.jobs; --",
    "SELECT 1\n) LIMIT 1; FROM read_text('/etc/passwd'",
    "FROM klipit.jobs); COPY klipit.jobs TO 'out.csv'; FROM (SELECT 1",
]
OF_ITS_PROCESS = [
    "SELECT getenv('HOME')",
    "FROM read_text('/proc/self/environ')",
    "FROM read_blob('/etc/hostname')",
    "FROM read_json('state/lock')",
    "FROM glob('/**')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM parquet_metadata('x.parquet')",
    "FROM 'https://example.com/x.csv'",
    "FROM sqlite_scan('state/ledger.sqlite', 'events')",
    "ATTACH 'state/ledger.sqlite' AS ledger (TYPE sqlite)",
    "PRAGMA enable_profiling",
    "SET memory_limit = '100GB'",
    "SET temp_directory = '/tmp'",
    "INSTALL sqlite FROM community",
    "CREATE MACRO m() AS 1",
    "COPY (SELECT 1) TO '/tmp/out.csv'",
    "VACUUM",
    "SELECT * FROM duckdb_temporary_files()",
]


@pytest.fixture(scope="module")
def limited(demo: Clipmart) -> Iterator[Agent]:
    """A client whose statements may take half a second and 100 MB."""
    limits = {"CLIPMART_QUERY_SECONDS": "0.5", "CLIPMART_QUERY_MEMORY": "100 MB"}
    with over_stdio(Clipmart(demo.folder, demo.environ | limits)) as agent:
        yield agent


def test_every_statement_that_reaches_elsewhere_is_refused(on_stdio: Agent, demo: Clipmart) -> None:
    """The next call is answered, and no file in the working folder changes."""
    hostile = [*OUTSIDE, *BEYOND, *AROUND_THE_LIMIT, *OF_ITS_PROCESS]
    before = {path for path in demo.folder.rglob("*") if "tmp-query" not in path.name}
    assert len(hostile) > 100
    for sql in hostile:
        message = on_stdio.error("query", sql=sql)
        assert "Nothing was" in message or "nothing was" in message, (sql, message)
        assert "Stopped" not in message, sql
    assert "`clipmart query` reads" in message  # as the agent's own shell may call it
    assert on_stdio.json("query", sql="SELECT 1 AS n")["rows"] == [{"n": 1}]
    assert {path for path in demo.folder.rglob("*") if "tmp-query" not in path.name} == before


@pytest.mark.parametrize("sql", WITHOUT_END)
def test_a_statement_without_end_is_stopped(limited: Agent, sql: str) -> None:
    """By time or memory; the next call is answered."""
    assert "Stopped" in limited.error("query", sql=sql)
    assert limited.json("query", sql="SELECT 1 AS n")["rows"] == [{"n": 1}]


@pytest.mark.soak
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT levenshtein(repeat('a', 500000), repeat('b', 500000))",
        "SELECT length(repeat(repeat('x', 1000000), 1900))",
    ],
)
def test_a_function_that_ignores_the_interrupt_ends_its_worker_alone(
    limited: Agent, sql: str
) -> None:
    """A few seconds late; the next call is answered by another."""
    assert "Stopped" in limited.error("query", sql=sql)
    assert limited.json("query", sql="SELECT 1 AS n")["rows"] == [{"n": 1}]
