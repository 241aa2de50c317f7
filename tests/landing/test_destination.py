"""What is changed of dlt's duckdb destination, and that no more is."""

from __future__ import annotations

from pathlib import Path

import dlt
import duckdb
import pytest
from dlt.common.normalizers.naming.direct import NamingConvention
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from pipelines.landing.destination import Merge, destination


@pytest.mark.parametrize(
    ("job", "compared_in_pairs"), [(Merge, False), (SqlMergeFollowupJob, True)]
)
def test_rows_are_deleted_without_comparing_every_pair(
    job: type[SqlMergeFollowupJob], compared_in_pairs: bool
) -> None:
    """No nested loop, which dlt's own way, for comparison, is for DuckDB."""
    clauses = job.gen_key_table_clauses("landed", "new", ["id"], ["job_id"], for_delete=True)
    with duckdb.connect() as con:
        con.execute("CREATE TABLE landed AS SELECT i AS id, i // 6 AS job_id FROM RANGE(5000) r(i)")
        con.execute("CREATE TABLE new AS FROM landed LIMIT 700")
        plans = "".join(
            plan
            for clause in clauses
            for _, plan in con.execute(f"EXPLAIN DELETE {clause}").fetchall()
        )
    assert ("_NL_JOIN" in plans) == compared_in_pairs


def test_rows_of_either_key_are_deleted() -> None:
    """A clip that is there already, and what else its job had."""
    with duckdb.connect() as con:
        con.execute("CREATE TABLE landed (id TEXT, job_id TEXT)")
        con.execute("INSERT INTO landed VALUES ('a', '1'), ('b', '1'), ('c', '2'), ('d', '3')")
        con.execute("CREATE TABLE new AS SELECT 'c' AS id, '1' AS job_id")
        for clause in Merge.gen_key_table_clauses("landed", "new", ["id"], ["job_id"], True):
            con.execute(f"DELETE {clause}")
        assert con.execute("FROM landed").fetchall() == [("d", "3")]


def test_what_is_answered_once_is_what_dlt_would_answer(tmp_path: Path) -> None:
    """And nobody's changes to an answer reach the next."""
    ours, dlts = destination(tmp_path / "f.duckdb"), dlt.destinations.duckdb("f.duckdb")
    naming = NamingConvention()
    for asked in (None, naming, None):
        answer = ours.capabilities(naming=asked)
        assert dict(answer) == dict(dlts.capabilities(naming=asked))
        answer.max_identifier_length = 1
    assert ours.destination_type == dlts.destination_type
    assert ours.destination_name == dlts.destination_name
