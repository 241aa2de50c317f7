"""Faulty answers, open readers, a full disk, a failed audit: what is promised for each."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sandbox import Fault, Sandbox
from tests.support.clipmart import Clipmart

KINDS = [
    *("error", "bad_gateway", "unavailable", "too_many_requests"),
    *("drop", "truncated", "malformed", "empty", "lost", "wrong_shape"),
]


def fill(sandbox: Sandbox, jobs: int) -> None:
    for number in range(jobs):
        sandbox.add_job(f"job_{number:03}", clips=number % 4)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_a_fifth_of_all_answers_faulty_ends_complete_and_every_row_once(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Ten kinds of faults, 120 jobs: what lands is the truth."""
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    fill(sandbox, 120)
    sandbox.add_campaign("c-1", status="completed", videos=[{"id": "v1", "status": "ready"}])
    landing_only("track", "klipit", *(f"job_{number:03}" for number in range(120)))
    landing_only("track", "clipus", "c-1")
    sandbox.faults.random(0.2, seed=seed, kinds=KINDS)

    done = landing_only("sync", "--json")

    assert done.code == 0, done.err
    assert sum(request.fault is not None for request in sandbox.requests) > 20
    clips = landing_only.rows("SELECT id FROM klipit.clips")
    assert len(clips) == len(set(clips)) == sum(number % 4 for number in range(120))
    assert landing_only.rows("SELECT count(*), count(DISTINCT id) FROM klipit.jobs") == [(120, 120)]
    assert landing_only.rows("SELECT id FROM clipus.videos") == [("v1",)]


def test_one_id_that_always_fails_is_named_and_the_others_are_loaded(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1; it stays due."""
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    fill(sandbox, 5)
    landing_only("track", "klipit", *(f"job_{number:03}" for number in range(5)))
    sandbox.faults.plan([Fault("error", "/jobs/job_002", times=None)])

    done = landing_only("sync", "--json")

    assert done.code == 1
    assert "job_002" in done.err
    assert done.json()["services"]["klipit"]["remaining"] == 1
    assert landing_only.rows("SELECT count(*) FROM klipit.jobs") == [(4,)]


def test_a_reader_may_keep_the_published_file_open(sandbox: Sandbox, synced: Clipmart) -> None:
    """A process that reads during a publication keeps the old file; later ones get the new one."""
    reader = synced.start_python(
        f"""
import duckdb, sys
con = duckdb.connect({str(synced.warehouse)!r}, read_only=True)
print("open", flush=True)
sys.stdin.readline()
print(con.execute("SELECT count(*) FROM klipit.jobs").fetchone()[0], flush=True)
""",
        stdin=subprocess.PIPE,
    )
    assert reader.stdout is not None and reader.stdout.readline() == "open\n"
    sandbox.add_job("job_4", clips=1)
    synced("track", "klipit", "job_4")

    assert synced("sync").code == 0

    out, _ = reader.communicate("go on\n", timeout=20)
    assert out == "3\n"
    assert synced.rows("SELECT count(*) FROM klipit.jobs") == [(4,)]


def test_another_program_in_the_landing_store_is_waited_for_then_reported(
    sandbox: Sandbox, prepared: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 75, naming the file and what to open instead."""
    fill(sandbox, 1)
    prepared("track", "klipit", "job_000")
    (prepared.data_dir / "state").mkdir(parents=True, exist_ok=True)
    landing = prepared.data_dir / "state" / "landing.duckdb"
    code = (
        f"import duckdb; c = duckdb.connect({str(landing)!r}); print('open', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "open\n"
    monkeypatch.setattr("pipelines.landing.store.WAIT_SECONDS", 0.3)
    try:
        done = prepared("sync")
    finally:
        holder.kill()
        holder.communicate()

    assert done.code == 75
    assert "landing.duckdb" in done.err and "warehouse.duckdb" in done.err


def test_a_full_disk_is_reported_and_the_published_file_is_unchanged(
    sandbox: Sandbox, synced: Clipmart
) -> None:
    """A limit on file sizes stands for the disk; once it is removed, sync continues."""
    before = synced.warehouse.read_bytes()
    for number in range(20):
        clips: list[dict[str, Any]] = [
            {"id": f"{number}_{k}", "reason": f"{number}{k}" * 2000} for k in range(20)
        ]
        sandbox.add_job(f"job_{number:03}", clips=clips)
    synced("track", "klipit", *(f"job_{number:03}" for number in range(20)))
    landed = (synced.data_dir / "state" / "landing.duckdb").stat().st_size

    def full() -> None:
        limit = landed + 4096
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = synced.start("sync", preexec_fn=full)
    _, err = process.communicate(timeout=120)

    assert process.returncode in (1, 3, 75), err
    assert "Traceback" not in err
    assert "clipmart" in err
    assert synced.warehouse.read_bytes() == before
    assert synced("sync").code == 0
    assert synced.rows("SELECT count(*) FROM klipit.clips") == [(2 + 20 * 20,)]


def test_a_ledger_that_cannot_grow_is_reported_and_loses_nothing(clipmart: Clipmart) -> None:
    """A limit on file sizes stands for the disk: one line, no traceback, no half of a write."""
    clipmart("track", "klipit", "job_before")
    (clipmart.folder / "ids.txt").write_text("\n".join(f"job_{n:05}" for n in range(20_000)))

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = clipmart.start("track", "klipit", "--from", "ids.txt", preexec_fn=full)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 3, err
    assert "Traceback" not in err and "ledger.sqlite" in err
    assert clipmart("ids", "klipit").out.count("job_") == 2  # the header's job_id, and the id


def test_a_failed_blocking_audit_leaves_the_published_file_and_exits_1(
    sandbox: Sandbox, prepared: Clipmart
) -> None:
    """A duplicate key could only be our mistake; an odd score is the vendor's."""
    sandbox.add_job("job_1", clips=[{"id": "a", "shareability_score": 1000}])
    prepared("track", "klipit", "job_1")
    assert prepared("sync").code == 0
    before = prepared.warehouse.read_bytes()
    with duckdb.connect(str(prepared.data_dir / "state" / "landing.duckdb")) as con:
        con.execute("INSERT INTO klipit.jobs FROM klipit.jobs")
    sandbox.add_job("job_2", clips=0)
    prepared("track", "klipit", "job_2")

    done = prepared("sync")

    assert done.code == 1
    assert "audit" in done.err.lower() and "Traceback" not in done.err
    assert prepared.warehouse.read_bytes() == before


def test_a_proxys_page_instead_of_json_is_requested_again(
    sandbox: Sandbox, landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A 200 with HTML is a passing fault."""
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    fill(sandbox, 3)
    landing_only("track", "klipit", "job_000", "job_001", "job_002")
    sandbox.faults.plan([Fault("answer", "/jobs/*", body=b"<html>hotel wifi</html>", times=2)])

    assert landing_only("sync").code == 0
    assert Counter(landing_only.rows("SELECT status FROM klipit.jobs")) == {("complete",): 3}


def test_an_altered_landing_store_is_reported_and_repaired(
    sandbox: Sandbox, prepared: Clipmart
) -> None:
    """A column was dropped by hand: DuckDB's message, what became of the data, and what helps."""
    sandbox.add_job("job_1", clips=1)
    with duckdb.connect(str(prepared.data_dir / "state/landing.duckdb")) as landing:
        landing.execute("ALTER TABLE klipit.jobs DROP COLUMN status")
    prepared("track", "klipit", "job_1")

    done = prepared("sync")

    assert done.code == 3
    assert "Traceback" not in done.err
    assert "clipmart: DuckDB cannot continue: Binder Error" in done.err
    assert "clipmart recover" in done.err
    assert prepared("recover").code == 0
    assert prepared("sync").code == 0
    assert prepared.rows("SELECT id, status FROM klipit.jobs") == [("job_1", "complete")]
