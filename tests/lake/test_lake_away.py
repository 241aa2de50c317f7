"""A lake whose database is far away, or vanishes while a sync works."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import Sandbox, running
from tests.support.clipmart import NOW, Clipmart
from tests.support.lake import Shared, shared_lake
from tests.support.tcp_proxy import Proxy, proxy

pytestmark = pytest.mark.xdist_group("lake")

ROUND_TRIPS = 2_200
"""Most that a sync which lands a job waits for."""


class Far:
    """A machine whose lake's database is behind a proxy."""

    def __init__(self, machine: Clipmart, sandbox: Sandbox, shared: Shared, way: Proxy) -> None:
        self.machine, self.sandbox, self.shared, self.way = machine, sandbox, shared, way

    def track(self) -> None:
        id_ = f"job_{len(self.sandbox.jobs)}"
        self.sandbox.add_job(id_, clips=2)
        assert self.machine("track", "klipit", id_).code == 0

    def sync(self) -> int:
        """Land a job; returns the round trips."""
        self.track()
        before = self.way.questions
        ended = self.machine("sync")
        assert ended.code == 0, ended
        return self.way.questions - before


@pytest.fixture(scope="module")
def far(empty_lake: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = tmp_path_factory.mktemp("far")
    shared = shared_lake(empty_lake, str(folder / "files"))
    with (
        running(Sandbox(now=NOW, minute_seconds=0)) as sandbox,
        proxy(shared.environ["CLIPMART_LAKE_CATALOG"]) as (way, address),
    ):
        machine = shared.machine(folder / "machine", sandbox)
        machine.environ["CLIPMART_LAKE_CATALOG"] = address
        far = Far(machine, sandbox, shared, way)
        far.sync()
        yield far


def test_a_landing_sync_makes_few_round_trips(far: Far) -> None:
    """Each takes 10 to 40 ms if the database is elsewhere."""
    trips = far.sync()
    assert trips < ROUND_TRIPS


@pytest.mark.soak
@pytest.mark.parametrize("share", [number / 8 for number in range(1, 8)])
def test_a_database_that_vanishes_gives_75_and_loses_nothing(
    far: Far, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All through a sync, in a load and while publishing; doctor still prints its lines."""
    monkeypatch.setattr("pipelines.ledger.postgres.PATIENCE_SECONDS", 0.2)
    whole = far.sync()
    far.track()
    far.way.vanishes_after = far.way.questions + int(whole * share)

    ended, doctor = far.machine("sync"), far.machine("doctor")

    far.way.vanishes_after = None
    assert ended.code == 75, ended
    assert "Traceback" not in ended.err
    assert doctor.code == 75 and "versions" in doctor.out, doctor
    again = far.machine("sync")
    assert again.code == 0, again.err
    (landed,) = far.shared.rows("SELECT count(*) FROM klipit.jobs WHERE clip_count = 2")
    assert landed == (len(far.sandbox.jobs),)
