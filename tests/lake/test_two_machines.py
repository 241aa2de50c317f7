"""Machines that share a lake on S3: they sync at once, are killed, and are read meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from re import fullmatch
from typing import Any

import pytest

from sandbox import Sandbox, running
from sandbox.server import preload
from tests.support.clipmart import NOW, Clipmart
from tests.support.forked_commands import ForkedCommands
from tests.support.lake import REPORTS, Shared, shared_lake

pytestmark = [pytest.mark.xdist_group("lake"), pytest.mark.soak]  # minutes

MINUTE = 2.0
BESIDES, MORE = 60, 30
"""Jobs besides a month of use as the demo's, so that a minute's quota is not enough; and later."""
KEYS = {"AWS_ACCESS_KEY_ID": "lake", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}

READER = """
import json, sys, threading, time
from pipelines.settings import load_settings
from pipelines.warehouse.read import NotPublished, open_published
stopped = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
seen = []
while not stopped.is_set():
    try:
        with open_published(load_settings()) as con:
            seen.append(con.execute(
                '''SELECT
                     (SELECT count(*) FROM klipit.jobs),
                     (SELECT count(*) FROM klipit.clips),
                     (SELECT sum(clips)::BIGINT FROM reports.moment_types),
                     (SELECT count(*) FROM reports.job_turnaround)'''
            ).fetchone())
    except NotPublished:
        seen.append(None)
    time.sleep(0.2)
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running(Sandbox(now=NOW, minute_seconds=MINUTE)) as served:
        preload(served)
        add_jobs(served, BESIDES)
        yield served


def add_jobs(sandbox: Sandbox, more: int) -> list[str]:
    ids = [f"job_{number:03}" for number in range(len(sandbox.jobs), len(sandbox.jobs) + more)]
    for number, id_ in enumerate(ids):
        sandbox.add_job(id_, clips=number % 4)
    return ids


@pytest.fixture(scope="module")
def shared(empty_lake: str, s3: str) -> Shared:
    files = f"s3://clips/{empty_lake.rpartition('_')[2]}"
    return shared_lake(empty_lake, files, AWS_ENDPOINT_URL=s3, **KEYS)


@pytest.fixture(scope="module")
def machines(
    shared: Shared, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> list[Clipmart]:
    folder = tmp_path_factory.mktemp("machines")
    return [shared.machine(folder / name, sandbox) for name in ("one", "two")]


@pytest.fixture(scope="module")
def both_synced(
    machines: list[Clipmart], sandbox: Sandbox, processes: ForkedCommands
) -> tuple[list[Any], list[Any]]:
    """Two syncs at once, and a reader: (each sync's JSON, what the reader saw)."""
    one, two = machines
    one("track", "klipit", *sandbox.jobs)
    two("track", "clipus", *sandbox.campaigns)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER],
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "HOME": str(one.folder), **one.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    syncs = [processes.start(machine, "sync", "--json") for machine in machines]
    ended = [processes.wait(sync) for sync in syncs]
    assert [sync.code for sync in ended] == [0, 0], ended
    seen, _ = reader.communicate(timeout=60)
    # A program without a file, DuckDB takes for a person, and shows how far a slow query is.
    return [sync.json() for sync in ended], json.loads(seen.splitlines()[-1])


def landed_equals(sandbox: Sandbox, shared: Shared) -> None:
    """Every job and clip of the server's, none twice."""
    now = sandbox.clock.now()
    truth = {id_: job.at(now)["status"] for id_, job in sandbox.jobs.items()}
    assert shared.rows("SELECT id, status FROM klipit.jobs ORDER BY id") == sorted(truth.items())
    assert shared.rows("SELECT job_id, id FROM klipit.clips ORDER BY ALL") == sorted(
        (id_, clip["id"])
        for id_, job in sandbox.jobs.items()
        if truth[id_] == "complete"
        for clip in job.clips
    )


def test_two_syncs_at_once_land_the_truth(
    both_synced: tuple[list[Any], list[Any]], sandbox: Sandbox, shared: Shared
) -> None:
    """Both end with 0, and both requested something."""
    runs, _ = both_synced
    landed_equals(sandbox, shared)
    assert all(run["services"]["klipit"]["asked"] for run in runs)


def test_two_machines_never_pass_the_quota(
    both_synced: tuple[list[Any], list[Any]], sandbox: Sandbox
) -> None:
    """No 429 to either, and no id requested by both."""
    assert sandbox.asked(status=429) == 0
    polls = Counter(a.path for a in sandbox.requests if fullmatch("/jobs/[^/]+", a.path))
    assert polls == Counter(f"/jobs/{id_}" for id_ in sandbox.jobs)


def test_every_report_equals_that_of_one_machine(
    both_synced: tuple[list[Any], list[Any]],
    sandbox: Sandbox,
    shared: Shared,
    tmp_path: Path,
) -> None:
    """The same month, synced into a DuckDB file without the lake: the same rows."""
    alone = Shared({}).machine(tmp_path / "alone", sandbox)
    alone("track", "klipit", *sandbox.jobs)
    alone("track", "clipus", *sandbox.campaigns)
    assert alone("sync").code == 0
    assert len(REPORTS) == 10
    for name in REPORTS:
        sql = f"SELECT * FROM reports.{name} ORDER BY ALL"
        assert shared.rows(sql) == alone.rows(sql), name


def test_a_reader_meanwhile_sees_whole_states_only(
    both_synced: tuple[list[Any], list[Any]],
) -> None:
    """What it counts in one place, it counts in the other, and it never sees less than before."""
    _, seen = both_synced
    states = [state for state in seen if state is not None]
    assert states
    assert all(jobs == shown and clips == counted for jobs, clips, counted, shown in states)
    assert [state[0] for state in states] == sorted(state[0] for state in states)


def test_killing_one_of_two_loses_nothing(
    both_synced: tuple[list[Any], list[Any]],
    machines: list[Clipmart],
    processes: ForkedCommands,
    sandbox: Sandbox,
    shared: Shared,
) -> None:
    """Killed during its requests, it leaves its ids to the next sync on any machine."""
    one, two = machines
    one("track", "klipit", *add_jobs(sandbox, MORE))
    killed, other = processes.start(one, "sync"), processes.start(two, "sync")
    asked = sandbox.asked("GET", "/jobs/*")
    deadline = time.monotonic() + 60
    while sandbox.asked("GET", "/jobs/*") < asked + MORE // 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed[0], signal.SIGKILL)
    assert processes.wait(killed).code == -signal.SIGKILL
    assert processes.wait(other).code == 0
    assert two("sync").code == 0
    landed_equals(sandbox, shared)
    assert sandbox.asked(status=429) == 0


@pytest.mark.soak
def test_twenty_kills_of_two_machines_lose_nothing(
    both_synced: tuple[list[Any], list[Any]],
    machines: list[Clipmart],
    processes: ForkedCommands,
    sandbox: Sandbox,
    shared: Shared,
) -> None:
    """Both sync at once, and one of them is killed at a random moment, again and again.

    The moments include loading and publishing.
    """
    dice = random.Random(20260408)
    for number in range(20):
        machines[number % 2]("track", "klipit", *add_jobs(sandbox, 10))
        syncs = [processes.start(machine, "sync") for machine in machines]
        killed = dice.randrange(2)
        time.sleep(dice.uniform(0, 12))
        os.kill(syncs[killed][0], signal.SIGKILL)
        ended = [processes.wait(sync) for sync in syncs]
        assert ended[1 - killed].code == 0, ended[1 - killed].err
        assert ended[killed].code in (0, -signal.SIGKILL), ended[killed].err
    assert machines[0]("sync").code == machines[1]("sync").code == 0
    landed_equals(sandbox, shared)
    assert sandbox.asked(status=429) == 0


def test_a_query_reads_the_lake_and_nothing_else(
    both_synced: tuple[list[Any], list[Any]], machines: list[Clipmart]
) -> None:
    """Its Parquet files on S3, and neither another file nor a write."""
    done = machines[0]("query", "SELECT count(*) AS n FROM reports.top_clips", "--format", "json")
    assert done.code == 0 and '"n": ' in done.out, done.err
    for sql in ("SELECT * FROM read_text('/etc/hostname')", "DELETE FROM reports.top_clips"):
        assert machines[0]("query", sql).code == 2
    assert machines[0]("status", "--json").json()["published"] is not None


def test_no_file_of_a_machine_reveals_the_key_of_the_lakes_files(
    both_synced: tuple[list[Any], list[Any]], machines: list[Clipmart]
) -> None:
    """Neither S3's secret nor an API's key is written below a data folder."""
    for machine in machines:
        for path in machine.data_dir.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert b"s3cr3t" not in content and b"klipit_sk_sandbox" not in content, path


def test_the_portable_file_out_of_the_lake_answers_alike(
    both_synced: tuple[list[Any], list[Any]], machines: list[Clipmart], shared: Shared
) -> None:
    """`clipmart publish FILE` needs no lake to be read."""
    import duckdb

    file = machines[1].folder / "portable.duckdb"
    assert machines[1]("publish", str(file)).code == 0
    with duckdb.connect(str(file), read_only=True) as con:
        for table in ("klipit.clips", "reports.shareability", "reports.moment_types"):
            sql = f"SELECT * FROM {table} ORDER BY ALL"
            assert con.execute(sql).fetchall() == shared.rows(sql), table
