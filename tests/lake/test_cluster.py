"""A cluster publishes a lake as this machine would, or leaves it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipelines.settings import load_settings
from pipelines.warehouse import cluster
from pipelines.warehouse import lake as lake_module
from pipelines.warehouse.compiler import project
from pipelines.warehouse.lake import new_connection, open_lake, tidy
from pipelines.warehouse.read import open_published
from tests.support.clipmart import Clipmart
from tests.support.engines import Duckdb, Row, difference, in_order, sail_server
from tests.support.lake import Shared, shared_lake
from tests.support.landing_data import NOW, a_month_of_use, write_landing
from tests.support.postgres import free_port

pytestmark = pytest.mark.xdist_group("lake")


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {table: rows for table, rows in a_month_of_use(seed=7, jobs=40).items() if rows}
    return write_landing(tmp_path_factory.mktemp("month") / "landing.duckdb", rows)


@pytest.fixture
def shared(empty_lake: str, tmp_path: Path, month: Path) -> Shared:
    """A lake in whose landing tables a month of use is, a part of it deleted again."""
    shared = shared_lake(empty_lake, str(tmp_path / "lake"), CLIPMART_NOW=NOW.isoformat())
    fill(shared, month)
    return shared


def fill(shared: Shared, month: Path) -> None:
    with landing(shared) as con:
        con.execute(f"ATTACH '{month}' AS month (READ_ONLY)")
        for schema, table in con.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() "
            "WHERE database_name = 'month' AND NOT starts_with(table_name, '_dlt')"
        ).fetchall():
            place = f"{schema}.{table}"
            con.execute(f"INSERT INTO {place} BY NAME SELECT * EXCLUDE _dlt_id FROM month.{place}")
        con.execute("DELETE FROM klipit.clips WHERE hash(id) % 5 = 0")
        con.execute("UPDATE klipit.jobs SET status = 'failed' WHERE hash(id) % 9 = 0")


def landing(shared: Shared) -> Any:
    lake = load_settings(shared.environ).lake
    assert lake is not None
    return closing(open_lake(lake, landing=True))


@pytest.fixture
def machine(shared: Shared, tmp_path: Path) -> Clipmart:
    """A machine that computes with DuckDB."""
    return Clipmart(tmp_path, shared.environ)


@pytest.fixture(params=["sail", "spark"])
def with_cluster(machine: Clipmart, request: pytest.FixtureRequest) -> Clipmart:
    """The same, whose models a cluster builds."""
    address = request.getfixturevalue(request.param)
    return Clipmart(machine.folder, machine.environ | {"CLIPMART_ENGINE": address})


def published(shared: Shared) -> dict[str, list[Row]]:
    with open_published(load_settings(shared.environ)) as con:
        names = [relation.name for relation in project().relations]
        return {name: in_order(Duckdb(con).rows(f"FROM {name}")) for name in names}


def differing(rows: dict[str, list[Row]], others: dict[str, list[Row]]) -> set[str]:
    return {name for name in others if difference(rows[name], others[name])}


@pytest.mark.soak
def test_readers_see_no_difference(
    shared: Shared, machine: Clipmart, with_cluster: Clipmart
) -> None:
    """A cluster publishes, then DuckDB the same."""
    done = with_cluster("publish")
    assert (done.code, done.err) == (0, "")
    by_cluster = published(shared)
    assert list(Path(shared.environ["CLIPMART_LAKE_FILES"]).glob("lake/cluster/**/*.parquet"))
    assert machine("publish").code == 0
    assert differing(by_cluster, published(shared)) == set()


@pytest.mark.soak
def test_rows_vanish_also_from_what_a_cluster_reads(
    shared: Shared, machine: Clipmart, with_cluster: Clipmart
) -> None:
    """They were deleted, and old files name a column as it was once called."""
    assert with_cluster("publish").code == 0
    before = published(shared)
    with landing(shared) as con:
        con.execute("DELETE FROM klipit.clips WHERE hash(id) % 5 = 1")
        con.execute("ALTER TABLE klipit.clips RENAME COLUMN reason TO because")
        con.execute("ALTER TABLE klipit.clips RENAME COLUMN because TO reason")
    assert with_cluster("publish").code == 0
    by_cluster = published(shared)
    assert {"klipit.clips", "reports.moment_types"} <= differing(by_cluster, before)
    assert machine("publish").code == 0
    assert differing(by_cluster, published(shared)) == set()


@pytest.mark.soak
def test_a_lake_on_s3_gives_and_takes_files(
    empty_lake: str, s3: str, tmp_path: Path, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tidying days later removes the files of a build that failed, and none that readers need."""
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    keys |= {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": s3}
    shared = shared_lake(empty_lake, "s3://clips/lake", CLIPMART_NOW=NOW.isoformat(), **keys)
    fill(shared, month)
    machine = Clipmart(tmp_path, shared.environ)
    with sail_server(tmp_path, keys | {"AWS_ALLOW_HTTP": "true"}) as address:
        with_cluster = Clipmart(tmp_path, shared.environ | {"CLIPMART_ENGINE": address})
        published_by_it = with_cluster("publish")
        assert (published_by_it.code, published_by_it.err) == (0, "")
        by_cluster = published(shared)
        with landing(shared) as con:
            con.execute("INSERT INTO klipit.clips FROM klipit.clips LIMIT 1")
        assert with_cluster("publish").code == 1

    lake = load_settings(shared.environ).lake
    assert lake is not None
    pattern = "s3://clips/lake/lake/cluster/**/*.parquet"
    with closing(new_connection(lake)) as con:
        files = f"SELECT list(file) FROM glob('{pattern}')"
        ((before,),) = con.execute(files).fetchall()
        monkeypatch.setattr(lake_module, "KEEP_DAYS", 0)
        tidy(lake)
        ((after,),) = con.execute(files).fetchall()
    assert set() < set(after) < set(before)
    assert differing(by_cluster, published(shared)) == set()
    assert machine("report").code == 0


def test_a_cluster_that_is_away_publishes_nothing(
    empty_lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """75, and one line that says what to do."""
    monkeypatch.setattr(cluster, "RETRIES", 0)
    address = f"sc://127.0.0.1:{free_port()}/;token=a-secret-token"
    shared = shared_lake(empty_lake, str(tmp_path / "lake"), CLIPMART_ENGINE=address)
    machine = Clipmart(tmp_path, shared.environ)
    away = machine("publish")
    assert (away.code, away.err.count("\n")) == (75, 1)
    assert "Nothing was published" in away.err
    assert "a-secret-token" not in away.err
    assert machine("report").code == 3


@pytest.mark.parametrize("engine", ["sc://127.0.0.1:15002", "spark://127.0.0.1:7077"])
def test_a_cluster_needs_a_lake(tmp_path: Path, engine: str) -> None:
    """Or an address that can be one: 3, in one line that names the variable."""
    refused = Clipmart(tmp_path, {"CLIPMART_ENGINE": engine})("publish")
    assert (refused.code, refused.err.count("\n")) == (3, 1)
    assert "CLIPMART_ENGINE" in refused.err


@pytest.mark.soak
def test_a_cluster_that_fails_publishes_nothing(shared: Shared, with_cluster: Clipmart) -> None:
    """It reads a file of the landing lake wrong, or not at all: Sail passes over an empty one."""
    assert with_cluster("publish").code == 0
    folder = Path(shared.environ["CLIPMART_LAKE_FILES"], "landing/klipit/jobs")
    contents = {file: file.read_bytes() for file in folder.glob("*.parquet")}
    before = published(shared)
    for end in (0, -9):
        for file, content in contents.items():
            file.write_bytes(content[:end])
        failed = with_cluster("publish")
        assert (failed.code, failed.err.count("\n")) == (75, 1), failed.err
        assert "Nothing was published" in failed.err
    for file, content in contents.items():
        file.write_bytes(content)
    assert published(shared) == before


@pytest.mark.soak
def test_a_failing_audit_publishes_nothing(shared: Shared, with_cluster: Clipmart) -> None:
    """A clip has landed twice: 1 and the audit's name, as from DuckDB."""
    assert with_cluster("publish").code == 0
    before = published(shared)
    with landing(shared) as con:
        con.execute("INSERT INTO klipit.clips FROM klipit.clips LIMIT 1")

    failed = with_cluster("publish")
    assert failed.code == 1
    assert "is_key on staging.stg_klipit__clips (1 row)" in failed.err
    assert published(shared) == before
