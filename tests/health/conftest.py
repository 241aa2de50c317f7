"""A store in which nearly everything needs attention, created once; a receiver of notifications."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.ids.credits import balance_event
from pipelines.ledger.ledger import Ledger
from sandbox import Fault, Sandbox, running
from tests.support.clipmart import NOW, Clipmart, SharedFolder
from tests.support.notification_receiver import Receiver, receiving_posts

ENVIRON = {
    "KLIPIT_API_KEY": "klipit_sk_sandbox",
    "CLIPUS_API_KEY": "sk_live_sandbox",
    "CLIPMART_MINUTE_SECONDS": "0",
    "CLIPMART_NOW": NOW,
}
LATER = "job_<!channel>"


def fill(sandbox: Sandbox) -> None:
    """Fill the two APIs with what `troubled` has landed."""
    sandbox.balance = 50
    sandbox.add_job("job_ok", clips=[{"id": "a", "shareability_score": 150}, {"moment_type": "x"}])
    sandbox.add_job("job_stuck", status="clipping", created_at="2026-04-08T09:00:00Z")
    # Stuck by 13:00, without another publication. Its name would notify everybody in Slack.
    sandbox.add_job(LATER, status="clipping", created_at="2026-04-08T11:00:00Z")
    sandbox.add_campaign("c-done", videos=[{"id": "v1", "status": "ready", "file_url": "x"}])
    sandbox.add_campaign("c-stuck", status="rendering", created_at="2026-04-07T06:00:00Z")


@pytest.fixture(scope="session")
def troubled_data(shared_folder: SharedFolder, prepared_state: Path) -> Path:
    """A data folder after one sync of all that, an unknown and a refused submission."""

    def sync_once(folder: Path) -> None:
        with running(Sandbox(now=NOW, minute_seconds=0)) as sandbox:
            fill(sandbox)
            urls = {"KLIPIT_BASE_URL": sandbox.klipit_url, "CLIPUS_BASE_URL": sandbox.clipus_url}
            clipmart = Clipmart(folder, {**ENVIRON, **urls})
            shutil.copytree(prepared_state, clipmart.data_dir / "state")
            with closing(Ledger(clipmart.data_dir / "state/ledger.sqlite")) as ledger:
                for day, balance in ((5, 150), (6, 110), (7, 75)):
                    noon = datetime(2026, 4, day, 12, tzinfo=UTC)
                    ledger.add([balance_event(balance, noon, noon, origin="api")])
            clipmart("track", "klipit", "job_ok", "job_stuck", LATER, "job_gone")
            clipmart("track", "clipus", "c-done", "c-stuck")
            sandbox.faults.plan([Fault("drop", "/jobs", method="POST")])
            assert clipmart("submit", "klipit", "--source-url", "https://good.example/1").code == 75
            sandbox.set_plan("growth", videos_per_month=0)
            assert clipmart("submit", "clipus", "--url", "https://good.example/").code == 1
            assert clipmart("sync").code == 1, "a record without its id and an id that is not found"

    return shared_folder("troubled", sync_once) / "data"


@pytest.fixture
def troubled(
    clipmart: Clipmart, sandbox: Sandbox, troubled_data: Path, monkeypatch: pytest.MonkeyPatch
) -> Clipmart:
    """A copy of that folder; its syncs do not publish, which would take seconds."""
    monkeypatch.setattr("pipelines.warehouse.publish.publish", lambda *_, **_named: True)
    fill(sandbox)
    shutil.copytree(troubled_data, clipmart.data_dir)
    return clipmart


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving_posts() as receiver:
        yield receiver
