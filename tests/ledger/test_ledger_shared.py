"""The ledger in PostgreSQL: one inbox, one quota and one set of locks for several machines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from pipelines.ledger import blocks, compaction
from pipelines.ledger.formats import FORMAT
from pipelines.ledger.ledger import Event, Ledger
from pipelines.settings import Address
from sources.shared.errors import FixConfiguration
from sources.shared.slots import Bucket, RateSlots, StoreDown
from tests.support.clipmart import Clipmart

pytestmark = pytest.mark.xdist_group("lake")

AT = datetime(2026, 4, 8, 12, tzinfo=UTC)
POLLS = Bucket("klipit", "polls", "key", per_minute=6)


@pytest.fixture
def opened(database: str) -> Iterator[Callable[[], Ledger]]:
    """A function that opens the same ledger again, as another machine would."""
    ledgers: list[Ledger] = []

    def open_again() -> Ledger:
        ledgers.append(Ledger(Address(database, "CLIPMART_LEDGER")))
        return ledgers[-1]

    yield open_again
    for ledger in ledgers:
        ledger.close()


def event(id_: str, kind: str = "import") -> Event:
    return Event("klipit", kind, f"{kind} {id_}", id_, AT, {"job_id": id_})


def together(*works: Callable[[], Any]) -> list[Any]:
    """Do these at the same time; returns their results."""
    results: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        results[number] = work()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_a_newer_versions_ledger_is_refused(opened: Callable[[], Ledger]) -> None:
    """It carries a format as SQLite's file does; an equal one opens again."""
    assert opened().read_note("format") == FORMAT
    opened().note("format", 20_301)
    with pytest.raises(FixConfiguration, match=r"clipmart 2\.3\.1 or later"):
        opened()


def test_an_event_written_twice_is_one(opened: Callable[[], Ledger]) -> None:
    """By event_id, as in SQLite; another machine reads the whole event."""
    first, second = opened(), opened()
    assert first.add([event("job_1"), event("job_1"), event("job_2")]) == 2
    assert second.add([event("job_2")]) == 0
    events = list(second.events("klipit", kinds=["import"]))
    assert [(e.subject, e.body, e.recorded_at) for e in events] == [
        ("job_1", {"job_id": "job_1"}, AT),
        ("job_2", {"job_id": "job_2"}, AT),
    ]
    assert second.last_seq("klipit", ["import"]) == events[-1].seq


def test_what_one_machine_compacts_another_reads_as_before(
    opened: Callable[[], Ledger],
) -> None:
    """Two compact at once; each event is in one place, and in its order."""
    first, second = opened(), opened()
    first.add(event(f"job_{number}") for number in range(3 * blocks.EVENTS))
    before = list(second.events("klipit"))
    week_later, last = AT + timedelta(days=8), before[-1].seq
    together(
        *(
            partial(compaction.compact, each, "klipit", ["import"], last, week_later)
            for each in (first, second)
        )
    )
    assert second.store.execute("SELECT count(*) FROM blocks").fetchone() == (2,)
    assert list(second.events("klipit")) == before
    assert list(first.events("klipit", before[9].seq, most=300)) == before[10:310]
    compaction.give_back(first)


def test_a_cursor_never_passes_an_event_that_is_still_being_written(
    opened: Callable[[], Ledger],
) -> None:
    """Four machines write at once, while a fifth reads on from the last number it has seen."""
    reader, writers = opened(), [opened() for _ in range(4)]
    seen: list[str] = []
    done = threading.Event()

    def read() -> None:
        last = 0
        while True:
            ended = done.is_set()
            for new in reader.events("klipit", last):
                last = new.seq
                seen.append(str(new.subject))
            if ended:
                return

    def write(number: int) -> None:
        for count in range(40):
            writers[number].add([event(f"job_{number}_{count}_{part}") for part in range(2)])

    reading = threading.Thread(target=read)
    reading.start()
    together(*(partial(write, n) for n in range(4)))
    done.set()
    reading.join(30)
    assert len(seen) == len(set(seen)) == 4 * 40 * 2


def take_six(slots: RateSlots) -> list[tuple[int, float]]:
    return [slots.take(POLLS, 30.0) for _ in range(6)]


def test_machines_share_one_quota(opened: Callable[[], Ledger]) -> None:
    """Of six slots a minute, requested by three machines at once, six are granted."""
    ledgers = [opened() for _ in range(3)]
    slots = [ledger.slots(60.0) for ledger in ledgers]
    granted = together(*(partial(take_six, s) for s in slots))
    taken = [slot for answers in granted for slot, _ in answers if slot]
    waits = [wait for answers in granted for slot, wait in answers if not slot]
    assert len(taken) == 6 and len(waits) == 12 and min(waits) > 59
    assert slots[0].in_use(POLLS) == 6


def test_slots_follow_the_servers_clock(
    opened: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock is a day ahead gets no slot early, and withholds none from others."""
    ahead = opened().slots(1.0)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    granted = [ahead.take(POLLS, 30.0)[0] for _ in range(6)]
    assert all(granted) and ahead.take(POLLS, 30.0)[0] == 0
    for slot in granted:
        ahead.answered(slot)
    monkeypatch.setattr(time, "time", real)
    right = opened().slots(1.0)
    slot, wait = right.take(POLLS, 30.0)
    assert slot == 0 and 0 < wait <= 1.01
    time.sleep(wait)
    assert right.take(POLLS, 30.0)[0]


def test_a_learnt_limit_and_a_pause_reach_the_other_machine(
    opened: Callable[[], Ledger],
) -> None:
    """One machine obeys what the other one learnt from its answers."""
    unknown = Bucket("clipus", "requests", "key")
    here, there = opened().slots(60.0), opened().slots(60.0)
    assert here.take(unknown, 30.0)[0] and there.take(unknown, 30.0) == (0, 0.05)
    here.learn(unknown, 4)
    assert there.limit(unknown) == 4 and there.take(unknown, 30.0)[0]
    here.pause(unknown, 20)
    here.pause(unknown, 5)
    assert there.take(unknown, 30.0) == (0, pytest.approx(20, abs=1))


def test_runs_at_the_same_time_share_the_ids(opened: Callable[[], Ledger]) -> None:
    """An id that a living run requests is left to it; one of a dead run is taken over."""
    here, there = opened(), opened()
    here.start_run("run_1", AT)
    there.start_run("run_2", AT)
    ids = [f"job_{number}" for number in range(30)]
    mine, theirs = together(
        lambda: [i for i in ids if here.claim("klipit", i)],
        lambda: [i for i in reversed(ids) if there.claim("klipit", i)],
    )
    assert sorted(mine + theirs) == sorted(ids)
    here.close()
    third = opened()
    third.start_run("run_3", AT)
    assert [i for i in ids if third.claim("klipit", i)] == mine


def test_a_part_for_one_process_waits_for_the_other(opened: Callable[[], Ledger]) -> None:
    """The second process waits until the first one has left."""
    here, there = opened(), opened()
    order: list[str] = []

    def first() -> None:
        with here.alone("landing"):
            order.append("in")
            time.sleep(0.3)
            order.append("out")

    def second() -> None:
        time.sleep(0.1)
        with there.alone("landing"):
            order.append("next")

    together(first, second)
    assert order == ["in", "out", "next"]


def test_a_restarted_server_ends_no_run(opened: Callable[[], Ledger], database: str) -> None:
    """A lost connection is opened again, with the locks that it held."""
    import psycopg

    here, there = opened(), opened()
    here.start_run("run_1", AT)
    assert here.claim("klipit", "job_1")
    there.start_run("run_2", AT)
    with psycopg.connect(database, autocommit=True) as con:
        con.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE pid <> pg_backend_pid() AND datname = current_database()"""
        )
    here.note("progress", ["half"])
    assert there.read_note("progress") == ["half"]
    assert not there.claim("klipit", "job_1")


def test_a_server_that_is_away_is_try_again_later(tmp_path: Any) -> None:
    """The message names the address without its password, and what became of the data."""
    with pytest.raises(StoreDown) as raised:
        Ledger(Address("postgresql://me:hunter2@127.0.0.1:9/clips", "CLIPMART_LEDGER"))
    assert "postgresql://127.0.0.1:9/clips" in str(raised.value)
    assert "hunter2" not in str(raised.value) and raised.value.exit_code == 75


def test_an_absent_database_is_configuration(postgres: str) -> None:
    with pytest.raises(FixConfiguration, match="CLIPMART_LEDGER"):
        Ledger(Address(f"{postgres}/nowhere", "CLIPMART_LEDGER"))


def test_a_ledger_setting_that_is_not_an_address_is_configuration(clipmart: Clipmart) -> None:
    clipmart.environ["CLIPMART_LEDGER"] = "mysql://me:hunter2@host/db"
    done = clipmart("status")
    assert done.code == 3 and "CLIPMART_LEDGER" in done.err and "hunter2" not in done.err


def test_a_claim_of_a_server_whose_clock_was_ahead_blocks_no_run(
    opened: Callable[[], Ledger],
) -> None:
    """Its run has ended and its instant is a year ahead: the next run takes the id."""
    ended, here = opened(), opened()
    ended.start_run("a", AT)
    assert ended.claim("klipit", "job_ahead")
    ended.store.execute("UPDATE claims SET made_at = made_at + 31536000")
    ended.close()

    here.start_run("b", AT)

    assert here.claim("klipit", "job_ahead")
