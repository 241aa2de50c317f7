"""Rate slots: a window counted from the answer, shared through the file, with an injected clock."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sources.shared.slots import Bucket, RateSlots, SqliteStore, fingerprint

POLLS = Bucket("klipit", "polls", "key", per_minute=3)
UNKNOWN = Bucket("clipus", "requests", "key")
TIMEOUT = 30.0
YEAR = 365 * 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slots(tmp_path: Path, clock: Clock) -> RateSlots:
    return opened(tmp_path, clock)


def opened(folder: Path, clock: Clock, minute: float = 60.0) -> RateSlots:
    connection = sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)
    return RateSlots(SqliteStore(connection, clock), minute)


def test_the_limit_is_reached_and_not_exceeded(slots: RateSlots) -> None:
    """Three of three are given; the fourth must wait the whole minute."""
    taken = [slots.take(POLLS, TIMEOUT) for _ in range(3)]
    for slot, wait in taken:
        assert slot > 0 and wait == 0
        slots.answered(slot)
    assert slots.take(POLLS, TIMEOUT) == (0, pytest.approx(60.0, abs=0.01))


def test_a_slot_is_free_one_minute_after_its_answer(slots: RateSlots, clock: Clock) -> None:
    """Sent at 0, answered at 5: taken at 64.9, free at 65."""
    taken = [slots.take(POLLS, TIMEOUT)[0] for _ in range(3)]
    clock.now += 5
    for slot in taken:
        slots.answered(slot)
    clock.now += 59.9
    assert slots.take(POLLS, TIMEOUT)[0] == 0
    clock.now += 0.1
    assert slots.take(POLLS, TIMEOUT)[0] > 0


def test_the_slot_of_a_killed_process_is_free_after_its_time_out(
    slots: RateSlots, clock: Clock
) -> None:
    """Never answered: it may have arrived up to 30 s late, so it is free after 90 s."""
    for _ in range(3):
        slots.take(POLLS, TIMEOUT)
    clock.now += 89.9
    assert slots.take(POLLS, TIMEOUT)[0] == 0
    clock.now += 0.1
    assert slots.take(POLLS, TIMEOUT)[0] > 0


def test_while_requests_are_open_nobody_waits_longer_than_a_minute(slots: RateSlots) -> None:
    """Each may be answered at once; waiting for its time-out would waste a free slot."""
    for _ in range(3):
        slots.take(POLLS, TIMEOUT)
    assert slots.take(POLLS, TIMEOUT) == (0, pytest.approx(60.0, abs=0.01))


def test_processes_that_share_the_file_share_the_quota(
    slots: RateSlots, tmp_path: Path, clock: Clock
) -> None:
    """Two take turns; the fourth slot of three is refused."""
    other = opened(tmp_path, clock)
    assert [bool(s.take(POLLS, TIMEOUT)[0]) for s in (slots, other, slots, other)] == [
        *(True, True, True),
        False,
    ]


def test_keys_and_kinds_have_quotas_of_their_own(slots: RateSlots) -> None:
    """A full bucket does not block another kind or another key."""
    for _ in range(3):
        slots.take(POLLS, TIMEOUT)
    assert slots.take(Bucket("klipit", "clips", "key", per_minute=3), TIMEOUT)[0]
    assert slots.take(Bucket("klipit", "polls", "another key", per_minute=3), TIMEOUT)[0]


def test_until_the_limit_is_known_one_request_is_sent_at_a_time(slots: RateSlots) -> None:
    """The second waits for the answer to the first."""
    first, _ = slots.take(UNKNOWN, TIMEOUT)
    assert slots.take(UNKNOWN, TIMEOUT)[0] == 0
    slots.answered(first)
    assert slots.take(UNKNOWN, TIMEOUT)[0] > 0


def test_a_learned_limit_is_remembered_and_a_change_applies_at_once(
    slots: RateSlots, tmp_path: Path, clock: Clock
) -> None:
    """In another process too."""
    slots.learn(UNKNOWN, 2)
    later = opened(tmp_path, clock)
    assert later.limit(UNKNOWN) == 2
    assert [bool(later.take(UNKNOWN, TIMEOUT)[0]) for _ in range(3)] == [True, True, False]
    later.learn(UNKNOWN, 3)
    assert slots.take(UNKNOWN, TIMEOUT)[0] > 0


def test_a_pause_stops_the_whole_bucket(slots: RateSlots, clock: Clock) -> None:
    """For seven seconds nothing of it is sent."""
    slots.pause(POLLS, 7)
    assert slots.take(POLLS, TIMEOUT) == (0, pytest.approx(7.0))
    clock.now += 7
    assert slots.take(POLLS, TIMEOUT)[0] > 0


def test_minute_0_turns_pacing_off_but_not_a_pause(tmp_path: Path, clock: Clock) -> None:
    """A 429 is obeyed even without pacing."""
    slots = opened(tmp_path, clock, minute=0)
    assert all(slots.take(POLLS, TIMEOUT)[0] for _ in range(100))
    slots.pause(POLLS, 1)
    assert slots.take(POLLS, TIMEOUT)[0] == 0


def test_a_fingerprint_does_not_reveal_its_key() -> None:
    """Two keys differ, and neither can be read."""
    assert fingerprint("klipit_sk_a") != fingerprint("klipit_sk_b")
    assert "klipit" not in fingerprint("klipit_sk_a")


def test_slots_of_a_clock_that_was_a_year_ahead_are_dropped(slots: RateSlots, clock: Clock) -> None:
    """All three are taken a year ahead; today's requests are sent within the limit."""
    clock.now += YEAR
    taken = [slots.take(POLLS, TIMEOUT)[0] for _ in range(3)]
    slots.answered(taken[0])
    clock.now -= YEAR

    assert slots.in_use(POLLS) == 0
    assert [bool(slots.take(POLLS, TIMEOUT)[0]) for _ in range(4)] == [True, True, True, False]


def test_a_slot_may_be_ahead_by_the_longest_time_out_of_its_requests(
    slots: RateSlots, clock: Clock
) -> None:
    """A POST of 300 s and an upload of 5 h hold theirs; a clock set back by 30 s frees none."""
    uploads = Bucket("klipit", "submissions", "key", per_minute=1, longest_seconds=5 * 3600.0)
    assert slots.take(uploads, 5 * 3600.0)[0] > 0
    assert [slots.take(POLLS, 300.0)[0] > 0 for _ in range(3)] == [True, True, True]
    clock.now -= 30
    assert slots.take(uploads, TIMEOUT)[0] == 0
    assert slots.take(POLLS, TIMEOUT)[0] == 0


def test_a_pause_of_a_clock_that_was_a_year_ahead_is_dropped(
    slots: RateSlots, clock: Clock
) -> None:
    """It delays nothing, and a new pause replaces it."""
    clock.now += YEAR
    slots.pause(POLLS, 7)
    clock.now -= YEAR
    assert slots.take(POLLS, TIMEOUT)[0] > 0
    slots.pause(POLLS, 9)
    assert slots.take(POLLS, TIMEOUT) == (0, pytest.approx(9.0))
