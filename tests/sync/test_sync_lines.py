"""The lines that a sync prints: numbers with the plural that fits, and when it is ready."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from pipelines.sync.progress import Step
from pipelines.sync.result import ServiceResult, SyncResult


def lines(service: ServiceResult, *, dry_run: bool = False) -> list[str]:
    result = SyncResult("run", datetime(2026, 4, 8, 12, tzinfo=UTC), "/data")
    result.services["klipit"] = service
    return result.lines(dry_run=dry_run)


def test_a_count_of_one_is_singular() -> None:
    """1 job and 1 request, 2 clips."""
    service = ServiceResult(known=1, due=1, requested=1, requests=1)
    service.loaded = Counter(jobs=1, clips=2)

    assert lines(service)[0] == (
        "klipit: 1 known, 1 due, 1 requested; loaded 1 job, 2 clips; "
        "0 rejected, 0 remaining; 1 request, 0 refused"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "ready now"),
        (720, "ready in 12 min"),
        (None, "time unknown until the first answer reports the limit"),
    ],
)
def test_the_time_left_is_part_of_a_sentence(seconds: float | None, words: str) -> None:
    """In a dry run and in the progress of a sync."""
    service = ServiceResult(known=5, due=3, eta_seconds=seconds)

    assert lines(service, dry_run=True) == [f"klipit: 5 known, 3 due, {words}"]
    assert Step("klipit", 1, 3, seconds).words() == f"klipit: 1 of 3, {words}"
