"""The store costs the same in its third year as in its first week."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.landing.store import STATES
from pipelines.ledger.ledger import Event, Ledger
from pipelines.webhooks.payload import klipit_event
from sandbox import Remote, Sandbox, running_apart
from tests.support.clipmart import NOW, Clipmart
from tests.support.forked_commands import ForkedCommands
from tests.support.growth import Cost, growth, measured
from tests.support.listen_client import event

SYNCS = 2_000
HOURS = 6
"""Between two syncs; of four a day, the first lands a job, its events and a balance."""

PRELOADED = ("pipelines.sync.run", "sources.shared.resources", "dlt", "pyarrow")
ALLOWED = {
    # What lands in 500 days, in blocks of 256 KiB.
    "state/landing.duckdb": 3_000_000,
    "warehouse.duckdb": 3_000_000,
    "state/published/warehouse-#uckdb": 9_000_000,
    # 1,600 events, of which up to 256 of each kind wait for their block.
    "state/ledger.sqlite": 400_000,
}


@pytest.fixture
def apart() -> Iterator[Remote]:
    """The sandbox in a process of its own, so that its CPU time does not count."""
    with running_apart("--minute-seconds", "0", "--now", NOW) as sandbox:
        yield sandbox


def syncs(
    commands: ForkedCommands, clipmart: Clipmart, sandbox: Remote, number: int
) -> Iterator[tuple[bool, Cost]]:
    """So many syncs; yields whether something new was there for each, and what it cost."""
    clipmart.environ |= {
        "KLIPIT_BASE_URL": sandbox.klipit_url,
        "CLIPUS_BASE_URL": sandbox.clipus_url,
        "CLIPMART_METRICS": str(clipmart.data_dir / "metrics.prom"),
    }
    for count in range(number):
        now = datetime.fromisoformat(NOW) + timedelta(hours=HOURS * count)
        sandbox.clock.set(now.isoformat())
        clipmart.at(now.isoformat())
        lands = count * HOURS % 24 == 0
        if lands:
            arrive(clipmart, sandbox, count * HOURS // 24, now)
        started = commands.start(clipmart, "sync")
        done, usage = commands.wait_for_usage(started)
        assert done.code == 0, done.err
        for stream in ("out", "err"):
            Path(f"{started[1]}.{stream}").unlink()
        yield lands, measured(clipmart.data_dir, usage)


def arrive(clipmart: Clipmart, sandbox: Remote, day: int, now: datetime) -> None:
    """A job with its events and a call about a campaign; every fourth day a campaign."""
    job = f"job_{day:05}"
    sandbox.add_job(job, clips=3, created_at=(now - timedelta(hours=1)).isoformat())
    ids = f"job_id,show_name\n{job},Show {day % 5}"
    assert clipmart("track", "klipit", "--from", "-", stdin=ids).code == 0
    events = [klipit_event(event(job, name), now) for name in ("job.created", "job.complete")]
    if day % 4 == 0:
        campaign = f"c-{day:05}"
        video = {"id": "v1", "status": "published", "published_at": now.isoformat()}
        sandbox.add_campaign(campaign, videos=[video])
        assert clipmart("track", "clipus", campaign).code == 0
    events.append(Event("clipus", "due", f"due {day}", "c-00000", now, {}))
    with closing(Ledger(clipmart.data_dir / "state/ledger.sqlite")) as ledger:
        ledger.add(events)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_the_last_of_two_thousand_syncs_cost_what_the_first_cost(
    apart: Remote, clipmart: Clipmart
) -> None:
    """CPU time, memory, open files, and every file of the data folder; half an hour on one core."""
    costs: dict[bool, list[Cost]] = {True: [], False: []}
    with ForkedCommands(*PRELOADED) as commands:
        for lands, cost in syncs(commands, clipmart, apart, SYNCS):
            costs[lands].append(cost)

    assert growth(costs[True], ALLOWED, times=1.25) == []
    assert growth(costs[False], ALLOWED, times=1.25) == []


def test_dlt_saves_the_last_states_of_its_cursor_alone(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Each drain adds one for good; the cursor goes on from the latest."""
    sandbox.add_job("job_1")
    assert landing_only("track", "klipit", "job_1").code == 0
    assert landing_only("sync", "klipit").code == 0
    landing_only.landed(
        f"""INSERT INTO klipit._dlt_loads BY NAME
            SELECT format('1{{:09d}}.5', n) AS load_id, 'klipit' AS schema_name, 0 AS status,
              TIMESTAMPTZ '{NOW}' AS inserted_at FROM range(200) AS t(n)"""
    )
    landing_only.landed(
        """INSERT INTO klipit._dlt_pipeline_state BY NAME
            SELECT s.* EXCLUDE (_dlt_load_id), l.load_id AS _dlt_load_id
            FROM (FROM klipit._dlt_pipeline_state LIMIT 1) AS s, klipit._dlt_loads AS l
            WHERE l.load_id LIKE '10%'"""
    )
    sandbox.add_job("job_2")
    assert landing_only("track", "klipit", "job_2").code == 0
    assert landing_only("sync", "klipit").code == 0

    count = "SELECT count(*) FROM klipit._dlt_pipeline_state"
    assert landing_only.landed(count) == [(STATES,)]
    (landing_only.data_dir / "state/dlt").rename(landing_only.folder / "lost")
    assert landing_only("sync", "klipit").code == 0
    assert landing_only.landed("SELECT count(*) FROM klipit.submissions") == [(2,)]


def test_many_events_land_batch_by_batch(
    landing_only: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a later batch says of an id is applied to what an earlier one landed."""
    monkeypatch.setattr("pipelines.landing.loader.BATCH_EVENTS", 3)
    for show in ("First", "Second"):
        ids = "\n".join(["job_id,show_name", *(f"job_{n},{show}" for n in range(4))])
        assert landing_only("track", "klipit", "--from", "-", stdin=ids).code == 0
    assert landing_only("untrack", "klipit", "job_0").code == 0
    assert landing_only("sync", "klipit", "--dry-run").code == 0

    sql = "SELECT job_id, show_name, untracked_at IS NULL FROM klipit.submissions ORDER BY job_id"
    assert landing_only.landed(sql) == [(f"job_{n}", "Second", n > 0) for n in range(4)]


USUAL = Cost(1.0, 90_000, open_files=9, bytes_of={"a": 10_000}, files_of={"a": 1})


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, None),
        ({"bytes_of": {"a": 10_000, "log": 4_000}}, None),
        ({"cpu_seconds": 1.3}, "CPU: 1.00 s, then 1.30 s"),
        ({"memory_kib": 120_000}, "memory: 90,000 KiB, then 120,000"),
        ({"open_files": 10}, "open files: 9, then 10"),
        ({"files_of": {"a": 2}}, "a: 1 files, then 2"),
        ({"bytes_of": {"a": 15_200}}, "a: 10,000 bytes, then 15,200"),
        ({"bytes_of": {"a": 10_000, "log": 5_000}}, "log: 0 bytes, then 5,000"),
    ],
)
def test_growth_of_any_kind_is_seen(fields: dict[str, Any], line: str | None) -> None:
    """The comparison itself: what costs more in the last tenth is named."""
    costs = [*([USUAL] * 18), *([replace(USUAL, **fields)] * 2)]
    assert growth(costs, {}, times=1.25) == ([line] if line else [])
