"""The pages on backups and upgrades: their commands, run one after the other, lose nothing."""

from __future__ import annotations

import shutil
from contextlib import closing

from pipelines.ledger.ledger import Ledger
from sandbox import Sandbox
from tests.docs.test_task_pages import blocks, shell
from tests.support.clipmart import Clipmart
from tests.upgrade.test_earlier_stores import LATER, STORES, unpacked

JOBS = "SELECT id FROM klipit.jobs ORDER BY id"


def run(clipmart: Clipmart, *commands: str) -> str:
    output = ""
    for command in commands:
        done = shell(clipmart, command)
        assert done.returncode == 0, (command, done.stderr)
        output += done.stdout + done.stderr
    return output


def test_a_backup_taken_during_a_sync_restores_everything(
    sandbox: Sandbox, synced: Clipmart
) -> None:
    """Rows come from the published file, and an id that had not landed from the ledger's log."""
    save, restore, whole = blocks("backup", "sh")
    sandbox.add_job("job_4", clips=1)
    synced("track", "klipit", "job_4")
    before = synced.rows(JOBS)
    with closing(Ledger(synced.data_dir / "state/ledger.sqlite")) as ledger:
        ledger.note("progress", None)  # is in the log, and not in the file
        run(synced, save)
    shutil.rmtree(synced.data_dir / "state")

    said = run(synced, restore)

    assert "A new landing store holds" in said
    assert synced.rows(JOBS) == [*before, ("job_4",)]
    assert {request.path for request in sandbox.requests} == {
        *("/account", "/jobs/job_4", "/jobs/job_4/clips")
    }
    assert (synced.folder / "backup/state").stat().st_mode & 0o077 == 0
    run(synced, whole)
    assert (synced.folder / "backup-whole/state/landing.duckdb").exists()


def test_an_earlier_folder_is_upgraded_and_put_back(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """The page's commands from a backup to the way back lose no id; here one version is both."""
    save, *_ = blocks("backup", "sh")
    upgrade, unfit, list_ids, go_back = blocks("upgrade", "sh")
    unpacked(STORES[0], clipmart)
    sandbox.clock.set(LATER)
    sandbox.add_job("job_4")
    sandbox.add_job("job_9")
    sandbox.add_campaign("c-1")

    run(clipmart, save, upgrade, unfit)
    before = clipmart.rows(JOBS)
    clipmart("track", "klipit", "job_9")
    run(clipmart, list_ids, go_back)

    assert clipmart.rows(JOBS) == [*before, ("job_9",)]
    assert clipmart.rows("SELECT show_name FROM klipit.submissions WHERE job_id = 'job_1'") == [
        ("Ton",)
    ]
