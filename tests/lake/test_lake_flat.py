"""A lake costs the same in its third year as in its first week: what a sync leaves in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from sandbox import Sandbox, running
from tests.support.clipmart import NOW, Clipmart
from tests.support.lake import shared_lake

pytestmark = pytest.mark.xdist_group("lake")

TRANSACTIONS = 200
"""Of PostgreSQL, for a sync that lands a job with clips."""
MODELS, LANDING_TABLES = 13, 20
"""Models that are tables, and tables that dlt fills."""


class Growing:
    """A machine with a lake of its own, to whose server a job comes before every sync."""

    def __init__(self, machine: Clipmart, sandbox: Sandbox, files: Path) -> None:
        self.machine, self.sandbox, self.files = machine, sandbox, files
        self.database = machine.environ["CLIPMART_LAKE_CATALOG"]
        self.now = datetime.fromisoformat(NOW)

    def sync(self) -> None:
        """Land a complete job, and publish it."""
        id_ = f"job_{len(self.sandbox.jobs)}"
        self.sandbox.add_job(id_, clips=3)
        self.machine("track", "klipit", id_)
        ended = self.machine("sync")
        assert ended.code == 0 and "published" in ended.out, ended

    def a_day_passes(self) -> None:
        """For clipmart's clock, and for all that the catalog has an age of."""
        self.now += timedelta(days=1)
        self.machine.at(self.now.isoformat())
        with psycopg.connect(self.database) as con:
            for lake in ("clipmart_landing", "clipmart_lake"):
                con.execute(
                    f"UPDATE {lake}.ducklake_snapshot "
                    "SET snapshot_time = snapshot_time - INTERVAL '1 day'"
                )
                con.execute(
                    f"UPDATE {lake}.ducklake_files_scheduled_for_deletion "
                    "SET schedule_start = schedule_start - INTERVAL '1 day'"
                )

    def catalog(self) -> dict[str, int]:
        """What the catalog holds: tables of its own, and rows of those that grow."""
        counted = {}
        with psycopg.connect(self.database) as con:
            (counted["tables"],) = con.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname ~ '^clipmart_'"
            ).fetchone() or (0,)
            for lake in ("clipmart_landing", "clipmart_lake"):
                for table in ("column", "snapshot", "data_file", "view", "tag"):
                    (counted[f"{lake} {table}"],) = con.execute(
                        f"SELECT count(*) FROM {lake}.ducklake_{table}"
                    ).fetchone() or (0,)
        return counted

    def objects(self) -> int:
        return sum(1 for _ in self.files.rglob("*.parquet"))

    def size(self) -> int:
        """Bytes of the database, once PostgreSQL has removed what was deleted."""
        with psycopg.connect(self.database, autocommit=True) as con:
            con.execute("VACUUM")
            (size,) = con.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
        return int(size)

    def transactions(self) -> int:
        """Committed in the database so far, by connections that have ended."""
        name = self.database.rpartition("/")[2]
        with psycopg.connect(self.database.replace(name, "postgres"), autocommit=True) as con:
            while con.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = %s", (name,)
            ).fetchone():
                time.sleep(0.01)
            (committed,) = con.execute(
                "SELECT xact_commit FROM pg_stat_database WHERE datname = %s", (name,)
            ).fetchone() or (0,)
        return int(committed)


@pytest.fixture(scope="module")
def growing(empty_lake: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Growing]:
    folder = tmp_path_factory.mktemp("growing")
    files = folder / "files"
    with running(Sandbox(now=NOW, minute_seconds=0)) as sandbox:
        machine = shared_lake(empty_lake, str(files)).machine(folder / "machine", sandbox)
        yield Growing(machine, sandbox, files)


def test_a_landing_sync_adds_no_table_to_the_catalog(growing: Growing) -> None:
    """Nor a column; it adds a file for each model that differs, and commits few transactions."""
    for _ in range(2):
        growing.sync()  # the first creates tables, and lands what a day's first lands
    before, objects, begun = growing.catalog(), growing.objects(), growing.transactions()
    growing.sync()
    transactions = growing.transactions() - begun
    grown = {name: number - before[name] for name, number in growing.catalog().items()}
    assert grown["tables"] == 0
    assert grown["clipmart_landing column"] == grown["clipmart_lake column"] == 0
    assert grown["clipmart_landing snapshot"] + grown["clipmart_lake snapshot"] <= 5
    assert 0 < growing.objects() - objects <= MODELS
    assert transactions < TRANSACTIONS


@pytest.mark.soak
def test_housekeeping_leaves_what_the_last_week_needs(growing: Growing) -> None:
    """After two syncs a week apart, older snapshots, views and files are gone; rows are not."""
    tables, syncs = growing.catalog()["tables"], len(growing.sandbox.jobs)
    for _ in range(2):
        for _ in range(8):
            growing.a_day_passes()
        growing.sync()
    catalog = growing.catalog()
    # Each table's first deleted row in the catalog creates one, once.
    assert catalog["tables"] <= tables + LANDING_TABLES
    assert catalog["clipmart_lake snapshot"] <= 4 and catalog["clipmart_landing snapshot"] <= 12
    assert catalog["clipmart_lake data_file"] <= 2 * MODELS
    assert growing.objects() <= catalog["clipmart_lake data_file"] + 4 * LANDING_TABLES
    jobs = growing.machine("query", "SELECT count(*) AS n FROM klipit.jobs", "--format", "csv")
    assert jobs.out.split() == ["n", str(syncs + 2)]


@pytest.mark.soak
def test_a_month_of_syncs_levels_off(growing: Growing) -> None:
    """Ten landing syncs a day: from the second week on, catalog, objects and database stay.

    What a week holds of it, ten are as good as the 144 of a sync every ten minutes.
    """
    held: list[dict[str, int]] = []
    for _ in range(31):
        for _ in range(10):
            growing.sync()
        growing.a_day_passes()
        held.append(growing.catalog() | {"objects": growing.objects(), "bytes": growing.size()})
    second, last = (
        {name: max(day[name] for day in days) for name in held[0]}
        for days in (held[14:21], held[24:31])
    )
    assert last["tables"] == second["tables"]
    assert all(last[name] <= 1.05 * second[name] for name in last), (second, last)
