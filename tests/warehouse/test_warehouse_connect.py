"""The published file for a person in Jupyter, an analyst and `clipmart query`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipelines.settings import Settings
from pipelines.warehouse import read as warehouse
from pipelines.warehouse.read import NotPublished, attach, connect, open_published, query, report
from sources.shared.errors import FixConfiguration, TryAgainLater, Unusable
from tests.support.hostile_sql import OUTSIDE


def replace_by(settings: Settings, value: int) -> None:
    """Publish another file, which holds one number."""
    other = settings.data_dir / "other.duckdb"
    with duckdb.connect(str(other)) as con:
        con.execute(f"CREATE SCHEMA reports; CREATE TABLE reports.number AS SELECT {value} AS n")
    other.replace(settings.warehouse)


def test_connect_answers_by_schema_and_name(published: Settings) -> None:
    """Reports and landing tables alike, in UTC, without naming the file."""
    con = connect()
    assert con.execute("SELECT job_id FROM reports.shareability ORDER BY 1").fetchall() == [
        ("job_1",),
        ("job_2",),
    ]
    assert con.execute("SELECT id FROM klipit.clips").fetchall() == [("clip_1",)]
    assert con.execute("SELECT CURRENT_SETTING('TimeZone')").fetchall() == [("UTC",)]
    with pytest.raises(duckdb.Error, match="read-only"):
        con.execute("CREATE TABLE klipit.mine AS SELECT 1 AS n")


def test_connect_counts_time_from_clipmart_now(
    published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A campaign that renders is stuck after a day, whatever the machine's clock shows."""
    stuck = "SELECT stuck FROM reports.video_readiness"
    assert connect().execute(stuck).fetchall() == [(True,)]
    monkeypatch.setenv("CLIPMART_NOW", "2026-04-09T11:59:59Z")
    assert connect().execute(stuck).fetchall() == [(False,)]


def test_connect_again_shows_what_was_published_meanwhile(published: Settings) -> None:
    """Running the notebook's cell again is enough; the earlier connection is closed."""
    first = connect()
    replace_by(published, 7)
    again = connect()
    assert again.execute("FROM reports.number").fetchall() == [(7,)]
    with pytest.raises(duckdb.ConnectionException):
        first.execute("SELECT 1")


def test_connect_opens_a_folder_or_a_file_that_is_named(published: Settings) -> None:
    """The data folder's file, or a copy under another name, elsewhere."""
    copy = published.data_dir.parent / "clips-april.duckdb"
    shutil.copy(published.warehouse, copy)
    for path in (published.data_dir, str(copy)):
        assert connect(path).execute("SELECT id FROM klipit.clips").fetchall() == [("clip_1",)]


def test_connect_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match=re.escape(f"{tmp_path}/warehouse.duckdb")):
        connect(tmp_path)


def test_report_without_a_name_lists_the_reports(published: Settings) -> None:
    """Every table and view of `reports` in the file, with its comment."""
    listed = report()
    assert list(listed.columns) == ["report", "what_it_tells"]
    assert "video_readiness" in list(listed["report"])
    assert listed["what_it_tells"].str.len().min() > 20


def test_a_reader_keeps_its_file_while_others_see_the_new_one(published: Settings) -> None:
    """Two connections of one process, with one file each."""
    with attach(published.warehouse) as old:
        old.execute("SELECT COUNT(*) FROM klipit.clips")
        replace_by(published, 7)
        with attach(published.warehouse) as new:
            assert new.execute("FROM reports.number").fetchall() == [(7,)]
        assert old.execute("SELECT id FROM klipit.clips").fetchall() == [("clip_1",)]


def test_the_log_of_a_killed_reader_changes_nothing(published: Settings) -> None:
    """Opened for writing and killed; what it wrote is not in the published file."""
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import duckdb, os, sys; con = duckdb.connect(sys.argv[1]);"
            "con.execute('CREATE TABLE klipit.mine AS SELECT 1 AS n'); os._exit(9)",
            str(published.warehouse),
        ],
        check=False,
    )
    log = published.warehouse.with_name("warehouse.duckdb.wal")
    assert log.exists()
    con = connect()
    assert con.execute("SELECT id FROM klipit.clips").fetchall() == [("clip_1",)]
    with pytest.raises(duckdb.CatalogException):
        con.execute("FROM klipit.mine")
    assert not log.exists()


def test_a_writer_elsewhere_is_named_as_the_cause(published: Settings) -> None:
    """DuckDB lets nobody read while another program writes."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True);"
            "sys.stdin.read()",
            str(published.warehouse),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        with pytest.raises(TryAgainLater, match=r"warehouse\.duckdb is held open"):
            connect()
        child.stdin.close()
    assert connect().execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize("name", ["it's odd.duckdb", "reports.v2.db", "no-suffix"])
def test_a_file_by_any_name_answers(published: Settings, name: str) -> None:
    """attach() gives it a name of its own."""
    copy = published.data_dir / name
    shutil.copyfile(published.warehouse, copy)
    with attach(copy) as con:
        assert con.execute("SELECT COUNT(*) FROM reports.job_turnaround").fetchall() == [(2,)]


def test_report_returns_a_dataframe(published: Settings) -> None:
    """By its name in SQL or as the command line spells it."""
    frame = report("moment-types")
    assert list(frame["clips"]) == [1]
    assert frame["best_score"].iloc[0] == 94.0
    assert str(report("shareability")["created_at"].dtype).endswith("UTC]")
    with pytest.raises(Unusable, match=r"no report 'x; DROP'.*credit_usage.*video_readiness"):
        report("x; DROP")


def test_nothing_published_names_the_place_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its absolute path, although the setting is relative."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIPMART_DATA_DIR", "somewhere")
    with pytest.raises(NotPublished) as missing:
        connect()
    assert str(tmp_path / "somewhere" / "warehouse.duckdb") in str(missing.value)
    assert "clipmart sync" in str(missing.value)
    assert missing.value.exit_code == 3


def test_a_file_that_is_not_a_database_is_reported(published: Settings) -> None:
    """In one line that says what to do."""
    published.warehouse.write_bytes(b"not a database" * 1000)
    with pytest.raises(FixConfiguration, match=r"cannot be opened: .*clipmart publish") as error:
        connect()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "sql",
    [
        "FROM klipit.clips",
        "SELECT 1;",
        "WITH one AS (SELECT 1 AS n) FROM one",
        "DESCRIBE reports.shareability",
        "SUMMARIZE klipit.jobs",
        "SHOW ALL TABLES",
        "EXPLAIN ANALYZE SELECT * FROM klipit.jobs",
        "PIVOT klipit.jobs ON status IN ('complete') USING COUNT(*)",
    ],
)
def test_query_runs_a_statement_that_reads(published: Settings, sql: str) -> None:
    """One statement of any kind that only reads."""
    with open_published(published) as con:
        assert query(con, sql).fetchall()


@pytest.mark.parametrize("sql", OUTSIDE)
def test_query_refuses_everything_else(
    published: Settings, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing outside the file is read, and nothing at all is written."""
    import pandas as pd

    monkeypatch.chdir(published.data_dir)
    Path("secret.txt").write_text("secret\n")
    local_frame = pd.DataFrame({"n": [1]})
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    with open_published(published) as con, pytest.raises(Unusable):
        query(con, sql)
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    assert len(local_frame) == 1


def test_importing_warehouse_is_quick() -> None:
    """`clipmart status` reads through it: no SQLMesh, dlt or pandas is imported."""
    code = (
        "import sys, pipelines.warehouse.read, pipelines.reports.render;"
        "import pipelines.warehouse.build, pipelines.warehouse.publish;"
        "print(sorted({'sqlmesh', 'dlt', 'pandas', 'rich', 'sqlglot'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"
    assert warehouse.connect is connect
