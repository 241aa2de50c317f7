"""The demo removes what an earlier demo created, and never anything else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.demo import MARKER
from pipelines.ledger.lock import sync_lock
from tests.support.clipmart import Clipmart
from tests.support.demo_run import DemoRun, clean_environment, run_demo


@pytest.mark.soak
def test_it_starts_again_after_a_run_and_after_a_kill(demo_run: DemoRun, tmp_path: Path) -> None:
    """Over a whole demo one is killed, and the next ends well; a person's own file stays."""
    folder = tmp_path / "again"
    shutil.copytree(demo_run.folder, folder)
    mine = folder / "data" / "demo" / "my notes.txt"
    mine.write_text("keep")
    before = (folder / "data" / "demo" / "warehouse.duckdb").stat().st_ino
    killed = subprocess.Popen(
        [sys.executable, "-m", "pipelines", "demo"],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert killed.stderr is not None
    lines = [killed.stderr.readline() for _ in range(3)]
    killed.kill()
    killed.communicate()
    assert "synced" in lines[-1]

    began = time.time()
    second = run_demo(folder, now=None)
    assert second.code == 0, second.err
    assert second.data_dir.joinpath("warehouse.duckdb").stat().st_ino != before
    assert second.data_dir.joinpath("warehouse.duckdb").stat().st_mtime >= began - 1
    assert mine.read_text() == "keep"


def test_a_folder_of_someone_else_is_refused(clipmart: Clipmart) -> None:
    """Without the demo's mark nothing is removed or written: 3, and the way out."""
    folder = clipmart.data_dir / "demo"
    folder.mkdir(parents=True)
    (folder / "warehouse.duckdb").write_text("mine")
    done = clipmart("demo")
    assert done.code == 3
    assert f"{folder} was not created by the demo" in done.err
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [
        ("warehouse.duckdb", "mine")
    ]


def test_a_link_is_refused(clipmart: Clipmart, tmp_path: Path) -> None:
    """A link may lead anywhere, so it is not followed, not even to a marked folder."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARKER).touch()
    (elsewhere / "state").mkdir()
    clipmart.data_dir.mkdir()
    (clipmart.data_dir / "demo").symlink_to(elsewhere)
    assert clipmart("demo").code == 3
    assert (elsewhere / "state").is_dir()


def test_a_file_in_its_place_is_refused(clipmart: Clipmart) -> None:
    """A file called demo is nobody's folder."""
    clipmart.data_dir.mkdir()
    (clipmart.data_dir / "demo").write_text("mine")
    assert clipmart("demo").code == 3
    assert (clipmart.data_dir / "demo").read_text() == "mine"


def test_two_demos_do_not_meet(clipmart: Clipmart) -> None:
    """While one runs, another in the same folder changes nothing and ends with 75."""
    folder = clipmart.data_dir / "demo"
    with sync_lock(folder / MARKER, datetime.now(UTC)):
        (folder / "state").mkdir()
        assert clipmart("demo").code == 75
        assert (folder / "state").is_dir()
