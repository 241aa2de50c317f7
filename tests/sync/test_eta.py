"""The time left is calculated from known ids and known limits."""

from __future__ import annotations

import pytest

from pipelines.service import KLIPIT
from pipelines.sync.eta import seconds_needed
from pipelines.sync.progress import in_words
from sources.shared.due import Due
from sources.shared.slots import Bucket, RateSlots

POLLS = Bucket("klipit", "polls", "k", per_minute=60)


@pytest.mark.parametrize(
    ("requests", "in_use", "seconds"),
    [
        (0, 60, 0),
        (60, 0, 0),
        (61, 0, 60),
        (300, 0, 4 * 60),
        (10_000, 0, 166 * 60),  # 2 h 46 min until the last one is sent
        (60, 60, 60),
        (60, 30, 60),
        (30, 30, 0),
    ],
)
def test_requests_beyond_the_free_slots_wait_whole_minutes(
    requests: int, in_use: int, seconds: float
) -> None:
    """61 polls under a limit of 60 wait one minute."""
    slots = RateSlots.in_memory(60)
    for _ in range(in_use):
        slots.take(POLLS, 30)
    assert seconds_needed(slots, {POLLS: requests}) == seconds


def test_a_window_is_a_minute_and_the_time_of_an_answer() -> None:
    """300 polls with answers after 5 s: four windows of 65 s."""
    slots = RateSlots.in_memory(60)
    assert seconds_needed(slots, {POLLS: 300}, latency_seconds=5.0) == 4 * 65


def test_the_slowest_limit_decides_and_an_unknown_one_gives_none() -> None:
    """Clips need two more minutes after their first one; polls need one."""
    slots = RateSlots.in_memory(60)
    clips = Bucket("klipit", "clips", "k", per_minute=120)
    assert seconds_needed(slots, {POLLS: 61, clips: 361}) == 180
    assert seconds_needed(slots, {Bucket("clipus", "requests", "k"): 5}) is None


def test_a_job_that_misses_only_its_clips_needs_no_poll() -> None:
    """Of two jobs, one is polled and both may have clips read."""
    needed = KLIPIT.requests_needed("key", [Due("a"), Due("b", poll=False)])
    assert [(bucket.kind, count) for bucket, count in needed.items()] == [
        ("polls", 1),
        ("clips", 2),
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "now"), (40, "40 s"), (720, "12 min"), (166 * 60, "2 h 46 min"), (3600, "1 h 0 min")],
)
def test_durations_are_written_as_people_say_them(seconds: float, words: str) -> None:
    """Seconds up to 90, then minutes and hours."""
    assert in_words(seconds) == words
