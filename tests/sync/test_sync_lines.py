"""The lines that a sync prints: numbers with the plural that fits, and when it is ready."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from pipelines.sync.progress import Step
from pipelines.sync.result import ServiceResult, SyncResult
from sandbox import Sandbox
from tests.support.clipmart import Clipmart


def lines(
    service: ServiceResult, name: str = "klipit", *, dry_run: bool = False, verbose: bool = False
) -> list[str]:
    result = SyncResult("run", datetime(2026, 4, 8, 12, tzinfo=UTC), "/data")
    result.services[name] = service
    return result.lines(dry_run=dry_run, verbose=verbose)


def test_a_count_of_one_is_singular() -> None:
    """1 job and 1 request, 2 clips."""
    service = ServiceResult(known=1, due=1, requested=1, requests=1)
    service.loaded = Counter(jobs=1, clips=2)

    assert lines(service, verbose=True)[0] == (
        "klipit: 1 known, 1 due, 1 requested; loaded 1 job, 2 clips; "
        "0 rejected, 0 remaining; 1 request, 0 refused"
    )


@pytest.mark.parametrize(
    ("service", "events", "line"),
    [
        ("klipit", {"children": 3, "finished": 1, "failed": 1}, "3 new clips, 1 episode failed"),
        ("klipit", {"children": 1200}, "1,200 new clips"),
        ("klipit", {"finished": 1}, "1 episode done"),
        ("clipus", {"children finished": 1, "finished": 1}, "1 video became ready"),
        ("clipus", {"finished": 2, "failed": 2}, "2 campaigns done, 2 campaigns failed"),
        ("clipus", {}, "nothing new"),
    ],
)
def test_a_service_has_a_line_of_what_is_new(
    service: str, events: dict[str, int], line: str
) -> None:
    """And what still runs, is due or was rejected; then the line for publishing."""
    result = ServiceResult(known=9, due=9, requested=9, events=Counter(events))
    unchanged = "nothing changed: the published file stays as it is"
    assert lines(result, service) == [f"{service}: {line}", unchanged]
    result.running, result.remaining, result.rejected = 2, 1, 3
    more = "2 running, 1 still due, 3 rejected (`clipmart rejected` says why)"
    assert lines(result, service)[0] == f"{service}: {line}, {more}"


def test_a_sync_that_requested_nothing_of_a_service_says_so() -> None:
    """Its error follows; nobody may take it for no news."""
    result = ServiceResult(known=3, due=3, remaining=3, error="The key is refused.")
    assert lines(result)[0] == "klipit: nothing was requested, 3 still due"


@pytest.mark.parametrize(("service", "listens"), [("klipit", True), ("clipus", False)])
@pytest.mark.parametrize("dry_run", [True, False])
def test_without_ids_a_sync_says_how_they_come_in(
    service: str, listens: bool, dry_run: bool
) -> None:
    """Clipus's calls name known campaigns only, so its ids do not come by webhook."""
    line = lines(ServiceResult(), service, dry_run=dry_run)[0]
    assert line.startswith(f"{service}: no ids yet. `clipmart track {service} --from FILE`")
    assert f"`clipmart submit {service}`" in line
    assert ("`clipmart listen`" in line) == listens


def test_what_landed_before_is_not_new(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """An id that is read again brings nothing new; what runs on is still running."""
    sandbox.add_job("job_1", clips=2)
    sandbox.add_job("job_2", status="failed", error="no speech")
    sandbox.add_job("job_3", status="clipping")
    sandbox.add_campaign("c-1", status="rendering", videos=[{"id": "v1", "status": "ready"}])
    landing_only("track", "klipit", "job_1", "job_2", "job_3")
    landing_only("track", "clipus", "c-1")

    first = landing_only("sync")
    again = landing_only("sync", "--refresh", "job_1", "job_2", "c-1")

    assert first.out.splitlines()[:-1] == [
        "klipit: 2 new clips, 1 episode failed, 1 running",
        "clipus: 1 video became ready, 1 running",
    ]
    assert again.out.splitlines()[:-1] == [
        "klipit: nothing new, 1 running",
        "clipus: nothing new, 1 running",
    ]
    assert landing_only("sync", "--verbose").out.startswith("klipit: 3 known, 0 due, 0 requested;")


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
