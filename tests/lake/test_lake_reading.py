"""Reading a lake: it shows the published tables and nothing else, and a reader writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg
import pytest

from pipelines.agents import answers
from pipelines.settings import Address, load_settings
from pipelines.warehouse.lake import attach, extension_files, new_connection, open_lake
from pipelines.warehouse.read import connect, open_published, query
from sources.shared.errors import Unusable
from tests.support.clipmart import NOW, Clipmart
from tests.support.hostile_sql import BEYOND
from tests.support.lake import Shared, shared_lake

pytestmark = pytest.mark.xdist_group("lake")

PASSWORD = "hunter2 of the lake"
PAGE = (Path(__file__).parents[2] / "docs" / "lake.md").read_text()
(ATTACH,) = re.findall(r"^```duckdb\n(.*?)^```", PAGE, flags=re.M | re.S)
(GRANTS,) = re.findall(r"^```postgresql\n(.*?)^```", PAGE, flags=re.M | re.S)


@pytest.fixture(scope="module")
def shared(empty_lake: str, s3: str) -> Iterator[Shared]:
    keys = {"AWS_ACCESS_KEY_ID": "readers key", "AWS_SECRET_ACCESS_KEY": "its secret"}
    shared = shared_lake(empty_lake, "s3://clips/lake", AWS_ENDPOINT_URL=s3, **keys)
    address = shared.environ["CLIPMART_LAKE_CATALOG"]
    shared.environ["CLIPMART_LAKE_CATALOG"] = address.replace(
        "clipmart@", f"clipmart:{PASSWORD.replace(' ', '%20')}@"
    )
    yield shared
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("DROP OWNED BY clipmart_reader; DROP ROLE clipmart_reader")


@pytest.fixture(scope="module")
def machine(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Clipmart:
    """A machine that published an empty lake, and then a job that landed later.

    Between the two the commands of docs/lake.md created the readers' role.
    """
    machine = Clipmart(tmp_path_factory.mktemp("machine"), shared.environ)
    assert machine("publish").code == 0
    with psycopg.connect(shared.environ["CLIPMART_LAKE_CATALOG"], autocommit=True) as admin:
        admin.execute(GRANTS)
    machine("track", "klipit", "job_1")
    lake = load_settings(shared.environ).lake
    assert lake is not None
    with closing(open_lake(lake, landing=True)) as landing:
        landing.execute(
            f"""INSERT INTO klipit.jobs BY NAME
                SELECT 'job_1' AS id, 'processing' AS status, TIMESTAMPTZ '{NOW}' AS observed_at,
                  'landed' AS _dlt_load_id"""
        )
    published = machine("publish")
    assert published.code == 0, published.err
    return machine


@pytest.fixture
def reader(machine: Clipmart) -> Clipmart:
    """The same, whose readers have the role."""
    address = machine.environ["CLIPMART_LAKE_CATALOG"]
    role = re.sub("//.*@", "//clipmart_reader:another%20password@", address)
    return Clipmart(machine.folder, machine.environ | {"CLIPMART_LAKE_READER": role})


def test_no_statement_reaches_past_the_published_tables(machine: Clipmart, shared: Shared) -> None:
    """Each is refused, even to the user that may write; the ledger and both lakes are unchanged."""
    files = shared.environ["CLIPMART_LAKE_FILES"]
    before = state(shared)
    with open_published(load_settings(machine.environ)) as con:
        for sql in BEYOND:
            with pytest.raises(Unusable) as refused:
                query(con, sql.replace("{files}", files))
            assert "hunter2" not in str(refused.value), sql
    ended = machine("query", BEYOND[0])
    assert (ended.code, ended.out) == (2, ""), ended
    assert state(shared) == before


def test_agents_read_the_lake_within_the_same_bounds(machine: Clipmart) -> None:
    """Rows, and no password or foreign table in any answer."""
    settings = load_settings(machine.environ)
    rows = json.loads(answers.query(settings, sql="SELECT id FROM klipit.jobs"))["rows"]
    assert rows == [{"id": "job_1"}]
    for sql in BEYOND[:8]:
        with pytest.raises(Unusable) as refused:
            answers.query(settings, sql=sql)
        assert "hunter2" not in str(refused.value), sql
    assert "hunter2" not in answers.status(settings) + answers.list_reports(settings)


def state(shared: Shared) -> list[Any]:
    with psycopg.connect(shared.environ["CLIPMART_LAKE_CATALOG"]) as con:
        return [
            con.execute("SELECT * FROM clipmart_ledger.events ORDER BY seq").fetchall(),
            con.execute("SELECT max(snapshot_id) FROM clipmart_lake.ducklake_snapshot").fetchall(),
            con.execute(
                "SELECT max(snapshot_id) FROM clipmart_landing.ducklake_snapshot"
            ).fetchall(),
        ]


def test_the_published_tables_answer_as_in_a_file(reader: Clipmart) -> None:
    """To a role that may only read, in every form that `query` takes."""
    with open_published(load_settings(reader.environ)) as con:
        for sql in (
            "SELECT count(*) AS n FROM klipit.jobs",
            "FROM lake.reports.job_turnaround",
            "WITH a AS (FROM klipit.jobs), b AS (FROM a) FROM b, range(2), unnest([1])",
            "SHOW ALL TABLES",
            "SHOW TABLES FROM reports",
            "SUMMARIZE reports.moment_types",
            "SELECT column_name FROM duckdb_columns() WHERE table_name = 'top_clips'",
            "SELECT table_name FROM information_schema.tables",
            "EXPLAIN FROM reports.top_clips",
        ):
            assert query(con, sql).fetchall(), sql


def test_no_list_of_duckdbs_shows_the_password(shared: Shared) -> None:
    """Nor does what dlt attaches: a person with connect() may list everything."""
    lake = load_settings(shared.environ).lake
    assert lake is not None
    with closing(open_lake(lake, landing=False)) as con:
        for listed in ("duckdb_databases()", "duckdb_secrets()", "duckdb_settings()"):
            assert "hunter2" not in str(con.execute(f"FROM {listed}").fetchall()), listed
        assert con.execute("SELECT current_setting('allow_unsigned_extensions')").fetchall() == [
            (False,)
        ]


def test_all_readers_use_the_role_and_see_the_next_publication(
    reader: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role reads rows that landed after it got its rights.

    connect() checks no statement, but reads as the role, so it cannot write.
    """
    only = {k: v for k, v in reader.environ.items() if k != "CLIPMART_LAKE_CATALOG"}
    shown = Clipmart(reader.folder, only)("query", "FROM klipit.jobs", "--format", "csv")
    assert len(shown.out.splitlines()) == 2, shown
    assert "may only read" in reader("doctor").out
    for name, value in only.items():
        monkeypatch.setenv(name, value)
    con = connect()
    assert con.execute("SELECT count(*) FROM reports.job_turnaround").fetchall() == [(1,)]
    with pytest.raises(Exception, match=r"permission denied|read-only"):
        con.execute(
            "FROM postgres_execute('__ducklake_metadata_lake', "
            "'COMMIT; DELETE FROM clipmart_ledger.events')"
        ).fetchall()


def test_any_duckdb_attaches_it_as_the_page_says(reader: Clipmart) -> None:
    """The page's statements, with this test's addresses, read a report and a landed row."""
    place = urlsplit(reader.environ["CLIPMART_LAKE_READER"])
    endpoint = urlsplit(reader.environ["AWS_ENDPOINT_URL"]).netloc
    statements = (
        ATTACH.replace("HOST 'db.internal'", f"HOST '{place.hostname}', PORT '{place.port}'")
        .replace("DATABASE 'clipmart'", f"DATABASE '{place.path[1:]}'")
        .replace("ENDPOINT 's3.internal'", f"ENDPOINT '{endpoint}', USE_SSL false")
    )
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as con:
        for extension in extension_files():
            con.execute(f"LOAD '{extension}'")
        con.execute(statements)
        assert con.execute("SELECT id FROM klipit.jobs").fetchall() == [("job_1",)]
        assert con.execute("SELECT count(*) FROM reports.freshness").fetchall() == [(16,)]
        with pytest.raises(duckdb.Error, match=r"read-only"):
            con.execute("DELETE FROM reports.top_clips")


def test_doctor_warns_of_a_reader_that_may_write(machine: Clipmart) -> None:
    """If the variable is not set, and if its role has more rights than it should."""
    assert "CLIPMART_LAKE_READER is not set" in machine("doctor").out
    writer = {"CLIPMART_LAKE_READER": machine.environ["CLIPMART_LAKE_CATALOG"]}
    shown = Clipmart(machine.folder, machine.environ | writer)("doctor").out
    assert "CLIPMART_LAKE_READER may write" in shown


def test_an_address_is_read_as_libpq_reads_it(shared: Shared) -> None:
    """Options after the question mark count, a password among them, and go into no ATTACH."""
    lake = load_settings(shared.environ).lake
    assert lake is not None
    base, _, name = lake.catalog.url.rpartition("/")
    port = base.rpartition(":")[2]
    url = (
        f"postgresql:///{name}?host=127.0.0.1&port={port}&user=clipmart&password=hunter2"
        "&sslmode=prefer&application_name=it%27s%20a%20reader"
    )
    address = Address(url, "CLIPMART_LAKE_CATALOG")
    elsewhere = type(lake)(address, lake.files)
    with closing(new_connection(elsewhere)) as con:
        attach(con, elsewhere, "lake", read_only=True)
        (path,) = con.execute(
            "SELECT path FROM duckdb_databases() WHERE database_name = 'lake'"
        ).fetchone() or ("",)
    assert "sslmode='prefer'" in path and "hunter2" not in path


def test_an_s3_server_that_refuses_is_worth_another_try(reader: Clipmart) -> None:
    """75 for the lake's part, and doctor prints its lines all the same."""
    away = dict.fromkeys(("AWS_ENDPOINT_URL", "KLIPIT_BASE_URL"), "http://127.0.0.1:9")
    machine = Clipmart(reader.folder, reader.environ | away | {"KLIPIT_API_KEY": "k"})
    assert machine("query", "FROM clipmart.publication").code == 75
    doctor = machine("doctor")
    assert doctor.code == 75 and "versions" in doctor.out, doctor
