"""A receiver with a million events behind it is as small and as quick as a new one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.ledger.ledger import Ledger
from pipelines.webhooks.payload import klipit_event
from sandbox import Sandbox
from tests.support.clipmart import Clipmart
from tests.support.listen_client import Listener, Start, event, flood

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

EVENTS, BY_HTTP, JOBS = 1_000_000, 50_000, 1_000
BATCH = 50_000
AT = datetime(2026, 4, 8, 12, tzinfo=UTC)
MIB = 1024 * 1024
MEASURED = """
import resource
from pipelines.cli import main
try:
    main(["sync", "klipit"])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def bodies(first: int, number: int) -> Iterator[bytes]:
    """Events of one second each, in turn of every job."""
    for n in range(first, first + number):
        at = (AT - timedelta(seconds=EVENTS - n)).isoformat()
        yield event(f"job_{n % JOBS}", clip_count=n % 20, timestamp=at)


def resident_mib(listener: Listener) -> int:
    status = Path(f"/proc/{listener.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) // 1024


def synced(clipmart: Clipmart) -> int:
    """Sync in a process of its own; returns the memory that it took at most (MiB)."""
    process = clipmart.start_python(MEASURED)
    out, err = process.communicate(timeout=1800)
    assert process.returncode == 0, err
    return int(out.splitlines()[-1])


def test_a_million_events_leave_the_receiver_as_it_was(
    start: Start, sandbox: Sandbox, prepared: Clipmart, capsys: Any
) -> None:
    """Its memory, the ledger's log, the sync after them, and the ledger after a week."""
    for n in range(JOBS):
        sandbox.add_job(f"job_{n}", clips=0)
    listener = start(CLIPMART_NOW=AT.isoformat())
    flood(listener.url, bodies(0, 1_000), 20)
    before = resident_mib(listener)

    began = time.monotonic()
    answers = flood(listener.url, bodies(1_000, BY_HTTP), 20)
    rate = BY_HTTP / (time.monotonic() - began)
    assert {answer.status for answer in answers} == {200}
    with closing(Ledger(listener.ledger)) as ledger:
        for first in range(BY_HTTP + 1_000, EVENTS, BATCH):
            number = min(BATCH, EVENTS - first)
            ledger.add(klipit_event(body, AT) for body in bodies(first, number))
    assert listener.klipit(event("job_1", "job.created")) == 200
    full = listener.ledger.stat().st_size
    log = Path(f"{listener.ledger}-wal")

    memory = [synced(prepared)]
    sizes = []
    sandbox.clock.set(AT + timedelta(days=8))
    prepared.at((AT + timedelta(days=8)).isoformat())
    for _ in range(11):
        memory.append(synced(prepared))
        sizes.append(listener.ledger.stat().st_size)
        assert listener.klipit(event("job_1", clip_count=len(sizes))) == 200
    with capsys.disabled():
        print(
            f"\n{rate:,.0f} events/s; receiver {before}, then {resident_mib(listener)} MiB; "
            f"syncs at most {memory} MiB; ledger {full // MIB}, then "
            f"{[size // MIB for size in sizes]} MiB, log {log.stat().st_size // MIB} MiB"
        )

    assert resident_mib(listener) < before + 16
    assert log.stat().st_size <= 8 * MIB
    assert max(memory) < 1024
    assert sizes[-1] < full / 4
    rows = "SELECT count(*), count(DISTINCT event_id) FROM klipit.webhook_events"
    assert prepared.rows(rows) == [(EVENTS + 11, EVENTS + 11)]
    answers = flood(listener.url, bodies(0, 100), 1)  # again, long after they were compacted
    assert {answer.status for answer in answers} == {200}
    synced(prepared)
    assert prepared.rows(rows) == [(EVENTS + 12, EVENTS + 12)]
