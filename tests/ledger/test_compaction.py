"""A ledger that is years old is small, and lacks nothing that any command reads."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipelines.ledger import blocks, compaction
from pipelines.ledger.ledger import Event, Ledger
from sandbox import Sandbox, running
from tests.support.clipmart import Clipmart, SharedFolder, environment

THEN = datetime(2026, 4, 1, tzinfo=UTC)
NOW = THEN + timedelta(days=8)
LATER = "2026-04-20T12:00:00Z"
"""Twelve days after the tests' clock starts."""
MANY = 2 * blocks.EVENTS
FEW = 8
FIRST_DELIVERY = datetime(2026, 4, 8, 12, tzinfo=UTC)
URL = "https://good.example/1"


def events(number: int, kind: str = "import", at: datetime = THEN) -> list[Event]:
    return [
        Event("klipit", kind, f"{kind}-{n}", f"job_{n}", at, {"job_id": f"job_{n}"})
        for n in range(number)
    ]


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with closing(Ledger(tmp_path / "state/ledger.sqlite")) as ledger:
        yield ledger


def count(ledger: Ledger, table: str) -> int:
    (number,) = ledger.store.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)


def test_compacted_events_are_read_as_before(ledger: Ledger) -> None:
    """In the order of their commits, from any cursor, by kind, by time, and by the batch."""
    kinds = ("import", "webhook")
    for first, second in zip(events(MANY), events(MANY, "webhook"), strict=True):
        ledger.add([first, second])
    ledger.add(events(3, "untrack", NOW))
    before = list(ledger.events("klipit"))
    last = before[-1].seq

    compaction.compact(ledger, "klipit", [*kinds, "untrack"], last, NOW)

    # The newest event of each kind stays, and with it the last block's others.
    assert count(ledger, "events") == 2 * blocks.EVENTS + 3
    assert list(ledger.events("klipit")) == before
    cursor = before[100].seq
    assert list(ledger.events("klipit", cursor)) == before[101:]
    assert list(ledger.events("klipit", cursor, most=10)) == before[101:111]
    imports = [event for event in before if event.kind == "import"]
    assert list(ledger.events("klipit", kinds=["import"])) == imports
    assert list(ledger.events("klipit", since=NOW.isoformat())) == before[-3:]
    assert ledger.last_seq("klipit", kinds) == before[-4].seq


def test_what_has_not_landed_or_is_recent_stays(ledger: Ledger) -> None:
    """Nothing above the cursor is moved, and nothing of the last seven days."""
    ledger.add(events(MANY))
    first = next(ledger.events("klipit")).seq
    last = ledger.last_seq("klipit", ["import"])

    compaction.compact(ledger, "klipit", ["import"], first + blocks.EVENTS - 1, NOW)
    compaction.compact(ledger, "klipit", ["import"], last, THEN + timedelta(days=6))
    assert count(ledger, "blocks") == 0

    compaction.compact(ledger, "klipit", ["import"], first + blocks.EVENTS, NOW)
    assert count(ledger, "blocks") == 1


def test_the_file_gives_back_what_compaction_frees(ledger: Ledger) -> None:
    """20,000 events take a fifth of the space, and the log of their writing is cut."""
    ledger.add(events(20_000))
    ledger.store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    files = [Path(f"{ledger.place}{suffix}") for suffix in ("", "-wal")]
    before = files[0].stat().st_size

    compaction.compact(ledger, "klipit", ["import"], ledger.last_seq("klipit", ["import"]), NOW)
    compaction.give_back(ledger)
    ledger.store.execute("PRAGMA wal_checkpoint").fetchall()
    ledger.add(events(1, "untrack"))

    assert count(ledger, "events") + blocks.EVENTS * count(ledger, "blocks") == 20_001
    (free,) = ledger.store.execute("PRAGMA freelist_count").fetchone()
    assert free < 1_000
    assert files[0].stat().st_size - free * 4096 < before / 4
    assert files[1].stat().st_size <= 4 * 1024 * 1024


def test_of_polls_requested_by_calls_only_the_latest_stays(ledger: Ledger) -> None:
    """A campaign may be called about once a minute for years."""
    for minute in range(5):
        for id_ in ("c-1", "c-2"):
            at = THEN + timedelta(minutes=minute)
            ledger.add([Event("clipus", "due", f"{id_} {minute}", id_, at, {})])

    compaction.remove_replaced(ledger, "clipus", "due")

    assert [(e.subject, e.recorded_at) for e in ledger.events("clipus")] == [
        ("c-1", THEN + timedelta(minutes=4)),
        ("c-2", THEN + timedelta(minutes=4)),
    ]


def test_old_runs_go_once_they_have_landed(ledger: Ledger) -> None:
    """Each service's last success stays, the last twenty runs too, and what has not landed."""
    ok = {"due": 0, "asked": 0, "remaining": 0, "error": None}
    for day in range(100):
        at = THEN + timedelta(days=day)
        ledger.start_run(f"run-{day}", at)
        services = {"clipus": ok} if day else {"clipus": ok, "klipit": ok}
        result = {"exit_code": 0, "error": None, "services": services}
        ledger.finish_run(f"run-{day}", at, result)
    now = THEN + timedelta(days=100)

    compaction.remove_runs(ledger, ["klipit", "clipus"], THEN + timedelta(days=50), now)
    assert count(ledger, "runs") == 1 + 50
    compaction.remove_runs(ledger, ["klipit", "clipus"], now, now)
    assert [run["run_id"] for run in ledger.runs(now)] == [
        *(f"run-{day}" for day in range(99, 69, -1)),
        "run-0",
    ]
    assert ledger.last_synced("klipit", now) == THEN
    compaction.remove_runs(ledger, ["klipit", "clipus"], now, now + timedelta(days=300))
    assert count(ledger, "runs") == 21


def test_a_file_of_an_earlier_format_can_give_pages_back(tmp_path: Path) -> None:
    """It is written again once; a reader that comes first reads it as it is."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as con:
        con.executescript(
            """CREATE TABLE events (seq BIGINT PRIMARY KEY, event_id TEXT NOT NULL UNIQUE,
                 service TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT, body TEXT NOT NULL,
                 recorded_at TEXT NOT NULL);
               INSERT INTO events VALUES (7, 'a', 'klipit', 'import', 'job_1', '{"job_id":"job_1"}',
                 '2026-04-01T00:00:00+00:00');
               PRAGMA user_version = 100"""
        )
    with closing(Ledger(path, read_only=True)) as reader:
        assert [event.seq for event in reader.events("klipit")] == [7]
    for _ in range(2):
        with closing(Ledger(path)) as ledger:
            assert [event.seq for event in ledger.events("klipit")] == [7]
            assert ledger.store.execute("PRAGMA auto_vacuum").fetchone() == (2,)


@pytest.fixture(scope="session")
def compacted_data(shared_folder: SharedFolder, prepared_state: Path) -> Path:
    """Jobs known by tracking, by events and by submission, in blocks of 8; one is untracked."""

    def fill(folder: Path) -> None:
        with (
            running(Sandbox(now="2026-04-08T12:00:00Z", minute_seconds=0)) as sandbox,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(blocks, "EVENTS", FEW)
            clipmart = Clipmart(folder, environment(sandbox))
            shutil.copytree(prepared_state, clipmart.data_dir / "state")
            add_jobs(sandbox)
            ids = "\n".join(["job_id,show_name", *(f"job_{n},Ton" for n in range(FEW + 1))])
            assert clipmart("track", "klipit", "--from", "-", stdin=ids).code == 0
            assert clipmart("submit", "klipit", "--source-url", URL).code == 0
            assert clipmart("untrack", "klipit", "job_1").code == 0
            ledger_of(clipmart, lambda ledger: ledger.add(deliveries(FIRST_DELIVERY)))
            for now in ("2026-04-08T12:01:00Z", LATER):
                sandbox.clock.set(now)
                clipmart.at(now)
                assert clipmart("sync").code == 0
            assert ledger_of(clipmart, lambda ledger: count(ledger, "blocks")) == 2

    return shared_folder("compacted", fill) / "data"


@pytest.fixture
def compacted(clipmart: Clipmart, sandbox: Sandbox, compacted_data: Path) -> Clipmart:
    """A copy of it."""
    add_jobs(sandbox)
    sandbox.clock.set(LATER)
    clipmart.at(LATER)
    shutil.copytree(compacted_data, clipmart.data_dir)
    return clipmart


def add_jobs(sandbox: Sandbox) -> None:
    for n in range(2 * FEW):
        sandbox.add_job(f"job_{n}", clips=0)


def deliveries(at: datetime) -> list[Event]:
    """One for each of some jobs, as the receiver records it."""
    return [
        Event("klipit", "webhook", f"sha-{n}", f"job_{n}", at, body)
        for n in range(FEW - 1, 2 * FEW)
        for body in [{"event": "job.complete", "job_id": f"job_{n}", "event_at": None}]
    ]


def ledger_of(clipmart: Clipmart, work: Callable[[Ledger], Any]) -> Any:
    with closing(Ledger(clipmart.data_dir / "state/ledger.sqlite")) as ledger:
        return work(ledger)


def test_a_delivery_that_is_repeated_after_compaction_counts_once(
    sandbox: Sandbox, compacted: Clipmart
) -> None:
    """The landing store still knows it: one row, the first arrival's time, and no poll."""
    sql = "SELECT count(*), count(DISTINCT event_id), max(received_at) FROM klipit.webhook_events"
    assert compacted.rows(sql) == [(FEW + 1, FEW + 1, FIRST_DELIVERY)]
    before = len(sandbox.requests)

    repeated = deliveries(datetime.fromisoformat(LATER))
    assert ledger_of(compacted, lambda ledger: ledger.add(repeated)) == FEW
    assert compacted("sync", "klipit").code == 0

    assert compacted.rows(sql) == [(FEW + 1, FEW + 1, FIRST_DELIVERY)]
    assert [r.path for r in sandbox.requests[before:] if "/jobs/" in r.path] == []


def test_all_that_was_compacted_lands_again_if_everything_else_is_lost(
    compacted: Clipmart,
) -> None:
    """Landing store, published file and its saved copies are gone; the ledger is whole."""
    tables = ("klipit.submissions", "klipit.webhook_events")
    before = {table: set(compacted.rows(table)) for table in tables}
    ids = set(compacted("ids", "klipit").out.splitlines())
    compacted.warehouse.unlink()
    for name in ("landing.duckdb", "published", "dlt"):
        path = compacted.data_dir / "state" / name
        path.unlink() if path.is_file() else shutil.rmtree(path)

    assert set(compacted("ids", "klipit").out.splitlines()) == ids
    assert compacted("sync").code == 1  # the submitted job is not this sandbox's

    assert {table: set(compacted.rows(table)) for table in tables} == before
    assert set(compacted("ids", "klipit").out.splitlines()) == ids


def test_a_page_that_was_submitted_before_compaction_is_still_refused(
    compacted: Clipmart,
) -> None:
    """Submit once: what was paid for stays known, also without a published file."""
    compacted.warehouse.unlink()
    done = compacted("submit", "klipit", "--source-url", URL)
    assert done.code == 2 and "submitted already" in done.err


@pytest.mark.parametrize("damage", ["first page", "block"])
def test_a_damaged_ledger_is_recovered_with_its_blocks(compacted: Clipmart, damage: str) -> None:
    """Of a damaged block nothing is lost but the ledger's copy; what was moved is not doubled."""
    path = compacted.data_dir / "state/ledger.sqlite"
    before = ledger_of(compacted, lambda ledger: {e.event_id for e in ledger.events("klipit")})
    known = compacted("ids", "klipit").out
    with closing(sqlite3.connect(path)) as con:
        ((packed,), *_) = con.execute("SELECT events FROM blocks").fetchall()
    raw = bytearray(path.read_bytes())
    at = 0 if damage == "first page" else raw.index(packed[:50])
    raw[at : at + 50] = b"\xff" * 50
    path.write_bytes(raw)

    done = compacted("recover")

    assert done.code == 0, done.err
    lost = 0 if damage == "first page" else FEW
    assert f"{len(before) - lost:,} events were saved" in done.out
    assert (f"{lost} could not be read" in done.out) is (lost > 0)
    after = ledger_of(compacted, lambda ledger: [e.event_id for e in ledger.events("klipit")])
    assert len(after) == len(set(after)) == len(before) - lost
    assert compacted("ids", "klipit").out == known


def test_a_reader_during_a_compaction_misses_nothing(ledger: Ledger) -> None:
    """What it reads is of one moment: no event is both gone from one place and not in the other."""
    ledger.add(events(MANY))
    last = ledger.last_seq("klipit", ["import"])
    with closing(Ledger(Path(str(ledger.place)))) as reader:
        reading = reader.events("klipit")
        first = [next(reading) for _ in range(10)]
        compaction.compact(ledger, "klipit", ["import"], last, NOW)
        numbers = [event.seq for event in (*first, *reading)]
    assert len(numbers) == MANY and all(a < b for a, b in pairwise(numbers))
