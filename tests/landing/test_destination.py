"""What clipmart changes in dlt's duckdb destination, and that it changes nothing else."""

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
    """Without a nested loop, which dlt's own clauses, for comparison, need."""
    clauses = job.gen_key_table_clauses("landed", "new", ["id"], ["job_id"], for_delete=True)
    with duckdb.connect() as con:
        con.execute("CREATE TABLE landed AS SELECT i AS id, i // 6 AS job_id FROM RANGE(5000) r(i)")
        con.execute("CREATE TABLE new AS FROM landed LIMIT 700")
        plans = "".join(
            plan
            for clause in clauses
            for _, plan in con.execute(f"EXPLAIN DELETE {clause}").fetchall()
        )
    # "BLOCKWISE_NL_JOIN", or since DuckDB 2 "Blockwise Nl Join"
    assert ("nl join" in plans.lower().replace("_", " ")) == compared_in_pairs


def test_rows_of_either_key_are_deleted() -> None:
    """A clip that has landed before, and the other clips of its job."""
    with duckdb.connect() as con:
        con.execute("CREATE TABLE landed (id TEXT, job_id TEXT)")
        con.execute("INSERT INTO landed VALUES ('a', '1'), ('b', '1'), ('c', '2'), ('d', '3')")
        con.execute("CREATE TABLE new AS SELECT 'c' AS id, '1' AS job_id")
        for clause in Merge.gen_key_table_clauses("landed", "new", ["id"], ["job_id"], True):
            con.execute(f"DELETE {clause}")
        assert con.execute("FROM landed").fetchall() == [("d", "3")]


def test_cached_capabilities_are_those_of_dlt(tmp_path: Path) -> None:
    """A change to one answer does not reach the next."""
    ours, dlts = destination(tmp_path / "f.duckdb"), dlt.destinations.duckdb("f.duckdb")
    naming = NamingConvention()
    for given in (None, naming, None):
        answer = ours.capabilities(naming=given)
        assert dict(answer) == dict(dlts.capabilities(naming=given))
        answer.max_identifier_length = 1
    assert ours.destination_type == dlts.destination_type
    assert ours.destination_name == dlts.destination_name
