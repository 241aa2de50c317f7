"""A data folder that any earlier format left opens, upgrades and publishes, and lacks nothing.

README.md, next to this file, says what is in the folders and how the next one is made.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.support.clipmart import Clipmart

STORES = sorted((Path(__file__).parent / "stores").glob("*.tar.xz"))
BETWEEN = ("4cbfd21", "a9d7e1a", "0bf52bc")
"""Their landing tables are those of another one, and only indexes or types of the ledger differ."""
LATER = "2026-04-08T18:00:00Z"
SUBMITTED = "job_01knpfdcg002anh9mp4c9z6w06"
FIRST = "966769f"
"""It could not submit, export or untrack yet; the others did."""


def unpacked(store: Path, clipmart: Clipmart) -> None:
    with tarfile.open(store) as packed:
        packed.extractall(clipmart.folder, filter="tar")
    clipmart.at(LATER)


def jobs(store: Path) -> list[str]:
    submitted = [] if store.name.startswith(FIRST) else [SUBMITTED]
    return [*submitted, "job_1", "job_2", "job_3", "job_4"]


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(store, id=commit, marks=pytest.mark.soak if commit in BETWEEN else ())
        for store in STORES
        for commit in [store.name.removesuffix(".tar.xz")]
    ],
)
def test_an_earlier_folder_goes_on(store: Path, sandbox: Sandbox, clipmart: Clipmart) -> None:
    """Every id and row that was known then is there after a sync with a new id and a publish."""
    unpacked(store, clipmart)
    sandbox.clock.set(LATER)
    sandbox.add_job("job_4", clips=1, tags=["ö"])
    sandbox.add_job("job_9", clips=3)
    sandbox.add_campaign("c-1", status="rendering", videos=[{"id": "v1", "status": "ready"}])
    for command in ("publish", "status", "report", "rejected", "track klipit job_9", "sync"):
        done = clipmart(*command.split())
        assert done.code == 0, (command, done.err)

    polled = {
        request.path.split("/")[2] for request in sandbox.requests if "/jobs/" in request.path
    }
    assert polled == {"job_4", "job_9"}
    all_jobs = [*jobs(store), "job_9"]
    assert clipmart.rows("SELECT id FROM klipit.jobs ORDER BY id") == [(id_,) for id_ in all_jobs]
    assert clipmart.rows("SELECT job_id FROM klipit.submissions ORDER BY job_id") == [
        (id_,) for id_ in all_jobs
    ]
    assert clipmart.rows(
        "SELECT job_id, count(*) FROM klipit.clips GROUP BY job_id ORDER BY job_id"
    ) == [("job_1", 1), ("job_4", 1), ("job_9", 3)]
    assert clipmart.rows("SELECT id, moment_type FROM klipit.clips WHERE job_id = 'job_1'") == [
        ("clip_1", "joke")
    ]
    assert clipmart.rows("SELECT campaign_id, id, status FROM clipus.videos") == [
        ("c-1", "v1", "ready")
    ]
    assert clipmart.rows("SELECT tags, mood, weight FROM klipit.jobs WHERE id = 'job_1'") == [
        ('["ü"]', None, None)
    ]
    assert clipmart.rows("SELECT count(*) FROM clipmart.sync_runs") == [(2,)]
    assert clipmart.rows("SELECT balance FROM klipit.account_snapshots WHERE origin = 'hand'") == [
        (120.0,)
    ]
    assert "job_1,Ton,,,,,2026-04-01T00" in clipmart("ids", "klipit").out
    assert clipmart("recover").out == "Nothing is damaged; nothing was changed.\n"
    assert "fail" not in [check["level"] for check in clipmart("doctor", "--json").json()["checks"]]
