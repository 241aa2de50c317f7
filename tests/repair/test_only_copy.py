"""The published file is the only copy of ids that no API can list: nothing replaces it by less."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.warehouse import only_copy
from pipelines.warehouse.catalog import declared_types
from pipelines.warehouse.compiler import project
from sandbox import Sandbox, running
from tests.support.clipmart import NOW, Clipmart, SharedFolder, add_three_jobs, environment

FAULTS = Path(__file__).parents[2] / "docs" / "faults.md"
TABLES = (
    *("klipit.jobs", "klipit.clips", "klipit.clip_reads", "klipit.submissions"),
    *("klipit.job_observations", "klipit.account_snapshots", "klipit.webhook_events"),
    *("clipus.campaigns", "clipus.videos", "clipus.submissions", "clipus.campaign_observations"),
    *("clipus.video_observations", "clipmart.sync_runs"),
)


def content(clipmart: Clipmart) -> dict[str, Counter[tuple[str, ...]]]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH '{clipmart.warehouse}' AS w (READ_ONLY); USE w")
        return {
            table: Counter(tuple(map(str, row)) for row in con.execute(f"FROM {table}").fetchall())
            for table in TABLES
        }


def lost(before: dict[str, Counter[tuple[str, ...]]], clipmart: Clipmart) -> dict[str, Any]:
    """Rows that were published before and no longer are, by table."""
    after = content(clipmart)
    return {table: rows - after[table] for table, rows in before.items() if rows - after[table]}


def add_campaign(sandbox: Sandbox) -> None:
    videos = [{"id": "v1", "status": "ready", "published_at": "2026-04-08T11:00:00Z"}]
    sandbox.add_campaign("c-1", status="completed", videos=videos)


@pytest.fixture(scope="session")
def both_data(shared_folder: SharedFolder, synced_data: Path) -> Path:
    """Three jobs and a campaign landed and published, one balance entered by hand."""

    def fill(folder: Path) -> None:
        with running(Sandbox(now=NOW, minute_seconds=0)) as sandbox:
            add_three_jobs(sandbox)
            add_campaign(sandbox)
            clipmart = Clipmart(folder, environment(sandbox))
            shutil.copytree(synced_data, clipmart.data_dir)
            clipmart("track", "clipus", "c-1")
            clipmart("credits", "120", "--at", "2026-04-01T00:00:00Z")
            assert clipmart("sync").code == 0

    return shared_folder("both", fill) / "data"


@pytest.fixture
def both(clipmart: Clipmart, sandbox: Sandbox, both_data: Path) -> Clipmart:
    add_three_jobs(sandbox)
    add_campaign(sandbox)
    shutil.copytree(both_data, clipmart.data_dir)
    return clipmart


def state(clipmart: Clipmart) -> Path:
    return clipmart.data_dir / "state"


def change_landing(clipmart: Clipmart, *statements: str) -> None:
    with duckdb.connect(str(state(clipmart) / "landing.duckdb")) as con:
        for statement in statements:
            con.execute(statement)


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_a_sync_without_its_state_recovers_first(
    sandbox: Sandbox, both: Clipmart, times: int
) -> None:
    """Nothing is polled again, no row is lost, and the next sync has no work.

    The soak loses the state twice in a row.
    """
    before = content(both)
    for _ in range(times):
        shutil.rmtree(state(both))

        done = both("sync")

        assert done.code == 0, done.err
        assert "landing store is gone" in done.err
        assert lost(before, both) == {}
    assert {request.path for request in sandbox.requests} == {"/account"}
    assert "nothing changed" in both("sync").out
    assert "job_1" in both("ids", "klipit").out and "c-1" in both("ids", "clipus").out


def test_the_only_service_loses_nothing_while_its_api_is_down(
    synced: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the landing store is gone; the other service has no row and no key."""
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)
    before = content(synced)
    (state(synced) / "landing.duckdb").unlink()
    del synced.environ["CLIPUS_API_KEY"]
    synced.environ["KLIPIT_BASE_URL"] = "http://127.0.0.1:9"

    synced("sync")

    assert lost(before, synced) == {}
    assert synced.landed("SELECT count(*) FROM klipit.jobs") == [(3,)]


@pytest.mark.parametrize(
    "command",
    [
        ["publish"],
        pytest.param(["sync", "--dry-run"], marks=pytest.mark.soak),
        pytest.param(["rejected", "--replay"], marks=pytest.mark.soak),
    ],
)
def test_every_command_that_opens_the_landing_store_recovers_it_first(
    both: Clipmart, command: list[str]
) -> None:
    """None of them leaves an empty store that would look intact."""
    before = content(both)
    shutil.rmtree(state(both))

    assert both(*command).code == 0

    assert both.landed("SELECT count(*) FROM klipit.jobs") == [(3,)]
    assert lost(before, both) == {}


def test_a_landing_store_with_fewer_ids_ends_with_3_before_anything_is_requested(
    sandbox: Sandbox, both: Clipmart
) -> None:
    """Neither `sync` nor `publish` touches the published file; `recover` lands what is absent."""
    before, published = content(both), both.warehouse.read_bytes()
    change_landing(
        both,
        *(
            f"DELETE FROM klipit.{table} WHERE {column} = 'job_1'"
            for table, column in (("jobs", "id"), ("clips", "job_id"), ("submissions", "job_id"))
        ),
        "UPDATE klipit._dlt_loads SET load_id = load_id || '0'",
    )

    for command in ("sync", "publish"):
        refused = both(command)
        assert refused.code == 3
        assert "`clipmart recover`" in refused.err and "1 of klipit.jobs" in refused.err
        assert both.warehouse.read_bytes() == published
    assert sandbox.requests == []
    assert list((state(both) / "build").iterdir()) == []

    assert "landing store" in both("recover").out
    assert both("sync").code == 0
    assert lost(before, both) == {}


def test_a_submission_that_was_merged_into_another_is_not_a_loss(both: Clipmart) -> None:
    """Its row is gone, but its job's id is not."""
    change_landing(both, "UPDATE klipit.submissions SET submission_id = 'x' WHERE job_id = 'job_1'")
    assert both("publish").code == 0


def test_a_program_that_holds_the_published_file_open_hides_no_loss(both: Clipmart) -> None:
    """Its lock keeps other programs out of the file, which is compared nevertheless."""
    change_landing(both, "DELETE FROM clipus.campaigns", "DELETE FROM clipus.videos")
    holder = both.start_python(
        f"import duckdb, time; con = duckdb.connect({str(both.warehouse)!r})\n"
        "print('open', flush=True); time.sleep(60)"
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        refused = both("publish")
    finally:
        holder.kill()
        holder.communicate()
    assert refused.code == 3 and "1 of clipus.campaigns" in refused.err


def saved(clipmart: Clipmart) -> list[Path]:
    return sorted((state(clipmart) / "published").iterdir())


def test_the_last_three_published_files_are_saved(both: Clipmart) -> None:
    """Readable only by their owner, named by the instant, each as it was published."""
    contents = []
    for _ in range(4):
        contents.append(both.warehouse.read_bytes())
        assert both("publish").code == 0

    files = saved(both)

    assert [file.read_bytes() for file in files] == contents[-3:]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(both.warehouse.stat().st_mode) & 0o044 == 0o044


@pytest.mark.parametrize(("number", "left"), [("0", 0), ("1", 1)])
def test_how_many_are_saved_is_a_setting(both: Clipmart, number: str, left: int) -> None:
    both("publish")
    both("publish")
    both.environ["CLIPMART_KEEP_PUBLISHED"] = number
    assert both("publish").code == 0
    assert len(saved(both)) == left

    both.environ["CLIPMART_KEEP_PUBLISHED"] = "three"
    refused = both("publish")
    assert refused.code == 3 and "CLIPMART_KEEP_PUBLISHED" in refused.err


def test_files_are_copied_if_hard_links_are_not_supported(
    both: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory card or a network share may not support hard links."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    before = both.warehouse.read_bytes()

    assert both("publish").code == 0

    assert [file.read_bytes() for file in saved(both)][-1] == before


@pytest.mark.parametrize(
    "at",
    [
        "only_copy.save",
        pytest.param("publish._put", marks=pytest.mark.soak),
        pytest.param("only_copy.forget_older", marks=pytest.mark.soak),
    ],
)
def test_killed_between_saving_and_replacing_the_file_is_whole(both: Clipmart, at: str) -> None:
    """Right after a step: readers have a whole file, and the next publish goes on.

    The soak adds the two steps after it.
    """
    module, _, step = at.partition(".")
    before = content(both)
    killed = both.start_python(
        f"import os, signal, pipelines.warehouse.{module} as module\n"
        f"step = module.{step}\n"
        "def killed(*given):\n"
        "    step(*given)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"module.{step} = killed\n"
        "from pipelines.cli import main; main(['publish'])"
    )
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL

    assert content(both) == before
    assert both("publish").code == 0
    assert both("publish").code == 0
    assert content(both) == before
    assert len({file.stat().st_ino for file in saved(both)}) == len(saved(both)) == 3
    assert list((state(both) / "build").iterdir()) == []


@pytest.mark.soak
def test_returning_to_a_saved_file_as_the_page_on_faults_describes(both: Clipmart) -> None:
    """Its commands are run as written: what was published then is published again."""
    before = content(both)
    both("publish")
    _, commands = re.findall(r"^```sh\n(.*?)^```", FAULTS.read_text(), flags=re.M | re.S)
    name = re.compile(r"warehouse-\w+\.\w+\.duckdb")
    assert name.fullmatch(saved(both)[-1].name)

    subprocess.run(
        ["bash", "-euc", name.sub(saved(both)[-1].name, commands)],
        cwd=both.folder,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **both.environ},
        check=True,
        timeout=120,
    )

    assert lost(before, both) == {}
    assert stat.S_IMODE(both.warehouse.stat().st_mode) & 0o044 == 0o044


@pytest.mark.soak
def test_with_every_other_file_gone_the_latest_saved_one_is_used(both: Clipmart) -> None:
    before = content(both)
    both("publish")
    both.warehouse.unlink()
    (state(both) / "landing.duckdb").unlink()

    assert both("sync").code == 0

    assert lost(before, both) == {}


def test_without_landing_store_a_damaged_published_file_is_not_replaced(
    sandbox: Sandbox, both: Clipmart
) -> None:
    """It may hold what a person can still rescue: 3, and what to do."""
    shutil.rmtree(state(both))
    both.warehouse.write_bytes(b"damaged" * 1000)

    for command in ("sync", "publish"):
        refused = both(command)
        assert refused.code == 3
        assert str(both.warehouse) in refused.err and "recover" in refused.err
    assert both.warehouse.read_bytes() == b"damaged" * 1000
    assert sandbox.requests == []


@pytest.mark.soak
def test_a_killed_recovery_starts_again(both: Clipmart) -> None:
    """What it has landed so far never looks like a landing store."""
    before = content(both)
    shutil.rmtree(state(both))
    killed = both.start_python(
        "import os, signal, pipelines.landing.loader as load\n"
        "step = load.Loader.load_arrow\n"
        "def killed(self, schema, items):\n"
        "    step(self, schema, items)\n"
        "    if schema == 'clipus':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "load.Loader.load_arrow = killed\n"
        "from pipelines.cli import main; main(['sync'])"
    )
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not (state(both) / "landing.duckdb").exists()

    assert both("sync").code == 0
    assert lost(before, both) == {}
    assert list((state(both) / "build").iterdir()) == []


def test_every_column_that_is_compared_is_declared() -> None:
    """A renamed table must not be left out of the comparison."""
    declared = declared_types(project())
    assert [ids for ids in only_copy.IDS if ids[1] not in declared[ids[0]]] == []
