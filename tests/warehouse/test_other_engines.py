"""The printed models and audits give the same rows on Spark and PostgreSQL as DuckDB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.warehouse.build import build
from pipelines.warehouse.compiled import Project
from pipelines.warehouse.compiler import project
from pipelines.warehouse.dialects import Dialect, script, translated
from pipelines.warehouse.read import attach
from tests.support.engines import (
    Duckdb,
    Engine,
    Row,
    difference,
    in_order,
    postgres_session,
    sail_cluster,
    spark_session,
)
from tests.support.landing_data import DECLARED, NOW, Rows, a_month_of_use, write_landing
from tests.support.postgres import new_database
from tests.support.worlds import WORLDS, World

pytestmark = pytest.mark.xdist_group("lake")

IDS = {"id", "job_id", "campaign_id", "video_id", "submission_id", "observation_id", "record_id"}


@pytest.fixture(scope="module")
def odd_landing() -> Rows:
    """A month by chance and every world, ten years apart at most, in one store."""
    stores = {"month": a_month_of_use(seed=20260408)}
    for name, fill in WORLDS.items():
        world = World()
        fill(world)
        stores[name] = world.tables
    merged: Rows = {table: [] for table in DECLARED}
    for store, tables in stores.items():
        for table, rows in tables.items():
            merged[table] += [
                {
                    column: without_nul(f"{store}-{value}" if column in IDS and value else value)
                    for column, value in row.items()
                }
                for row in rows
            ]
    balances = {row["observed_at"]: row for row in merged["klipit.account_snapshots"]}
    merged["klipit.account_snapshots"] = list(balances.values())
    return merged


def without_nul(value: Any) -> Any:
    """PostgreSQL has no text with a NUL."""
    if isinstance(value, list):
        return [without_nul(each) for each in value]
    return value.replace("\x00", "") if isinstance(value, str) else value


@pytest.fixture(scope="module")
def stores(odd_landing: Rows, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that were built with every audit passed."""
    folder = tmp_path_factory.mktemp("engines")
    landing = folder / "landing.duckdb"
    write_landing(landing, {table: rows for table, rows in odd_landing.items() if rows})
    built = {"odd": folder / "odd.duckdb", "empty": folder / "empty.duckdb"}
    build(landing, built["odd"], NOW)
    build(None, built["empty"], NOW)
    return built


@pytest.fixture(scope="module")
def two_sails(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sail_cluster(tmp_path_factory.mktemp("two_sails")) as address:
        yield address


CLUSTERS = [pytest.param(cluster, marks=pytest.mark.soak) for cluster in ("two_sails", "spark")]


@pytest.fixture(params=["postgres", "sail", *CLUSTERS])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Each in a session that is not in UTC."""
    address = request.getfixturevalue(request.param)
    if request.param == "postgres":
        with postgres_session(new_database(address), "Asia/Tokyo") as postgres:
            yield postgres
        return
    with spark_session(address, "Asia/Tokyo", tmp_path) as session:
        yield session


@cache
def models(dialect: Dialect) -> str:
    return "\n".join(script(project(), dialect, now=NOW))


def build_in(engine: Engine) -> None:
    engine.run(models(engine.dialect))


def audits(engine: Engine) -> dict[str, int]:
    """How many rows each audit returns."""
    counts = [
        f"SELECT '{n} {audit.name} on {model.name}' AS audit, COUNT(*) AS errors "
        f"FROM ({translated(audit.query, engine.dialect, NOW)}) AS audited"
        for model in project().models
        for n, audit in enumerate(model.audits)
    ]
    return {row["audit"]: row["errors"] for row in engine.rows("\nUNION ALL\n".join(counts))}


def differences(engine: Engine, published: Path) -> dict[str, Any]:
    compared = {
        name: difference(in_order(engine.rows(f"SELECT * FROM {name}")), rows)
        for name, rows in published_rows(published).items()
    }
    return {name: differs for name, differs in compared.items() if differs}


@cache
def published_rows(store: Path) -> dict[str, list[Row]]:
    with attach(store, now=NOW) as con:
        names = [model.name for model in project().models]
        return {name: in_order(Duckdb(con).rows(f"SELECT * FROM {name}")) for name in names}


def test_every_model_and_audit_is_the_same(engine: Engine, stores: dict[str, Path]) -> None:
    """Row by row, numbers to nine digits: of nothing, and again once rows have landed."""
    build_in(engine)
    assert differences(engine, stores["empty"]) == {}
    with duckdb.connect(str(stores["odd"]), read_only=True) as landing:
        for table, columns in DECLARED.items():
            engine.load(table, list(columns), landing)
    build_in(engine)
    assert differences(engine, stores["odd"]) == {}
    assert set(audits(engine).values()) == {0}


@pytest.mark.soak
def test_every_audit_passes_on_nothing(engine: Engine) -> None:
    """No row has landed in any table."""
    without_rows(engine, DECLARED)
    build_in(engine)
    assert set(audits(engine).values()) == {0}


@pytest.mark.soak
def test_every_audit_reports_the_same_damage(engine: Engine, stores: dict[str, Path]) -> None:
    """Jobs and campaigns are lost, and every other row is there twice."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        expected = audits(damaged(Duckdb(con), stores["odd"]))
    assert sum(map(bool, expected.values())) >= 8
    assert audits(damaged(engine, stores["odd"])) == expected


def damaged(engine: Engine, store: Path) -> Engine:
    lost = ("klipit.jobs", "clipus.campaigns")
    without_rows(engine, lost)
    with duckdb.connect(str(store), read_only=True) as landing:
        for table in DECLARED.keys() - set(lost):
            engine.load(table, list(DECLARED[table]), landing)
            engine.run(f"INSERT INTO {table} SELECT * FROM {table}")
    build_in(engine)
    return engine


def without_rows(engine: Engine, tables: Iterable[str]) -> None:
    """Every landing table is there, and these are empty: sessions of a cluster share tables."""
    without_models = "\n".join(script(Project(project().landing, ()), engine.dialect))
    engine.run(without_models)
    for table in tables:
        engine.run(f"DROP TABLE {table}")
    engine.run(without_models)
