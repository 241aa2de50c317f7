"""A nearly full disk: the published file is the whole old one or the whole new one.

A small file system in memory stands for the disk; how much is free decides where writing ends.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from pipelines.landing.loader import Loader
from pipelines.landing.store import Landing
from pipelines.landing.upgrade import upgrade
from pipelines.settings import Settings
from pipelines.warehouse.publish import publish
from sandbox import Sandbox
from tests.support.clipmart import Clipmart
from tests.support.landing_data import a_month_of_use, write_landing
from tests.support.programs import not_run

KIB = 1024
JOBS = 300


@dataclass
class SmallDisk:
    folder: Path

    def leave(self, free: int | None) -> None:
        """Let so many bytes be free; with None, plenty."""
        size = 256 * KIB * KIB
        if free is not None:
            usage = shutil.disk_usage(self.folder)
            size = usage.total - usage.free + free
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        not_run("a tmpfs cannot be mounted (needs root)")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="session")
def filled_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 300 jobs landed and published."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("filled") / "data")
    settings.state_dir.mkdir(parents=True)
    write_landing(settings.landing, a_month_of_use(1, jobs=JOBS))
    with closing(Landing(settings.landing)) as landing:
        upgrade(landing, Loader(settings.landing, settings.dlt_dir), settings.now())
    publish(settings)
    return settings.data_dir


def is_whole(file: Path) -> bool:
    """Every job is in the landing tables, and in a report, which the build makes last."""
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{file}' AS file (READ_ONLY)")
        counted = con.execute(
            "SELECT (SELECT count(*) FROM file.klipit.jobs),"
            "(SELECT count(*) FROM file.reports.job_turnaround)"
        ).fetchall()
    return counted == [(JOBS, JOBS)]


def refills(data: Path, disk: SmallDisk) -> Callable[[int], None]:
    """A function that puts the data folder as it was on the disk, and leaves so much free."""

    def refill(free: int) -> None:
        disk.leave(None)
        for path in disk.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(data, disk.folder / "data")
        disk.leave(free)

    return refill


def edges(data: Path) -> list[int]:
    """Free bytes around both ends of where a build runs out of room after the landing copy."""
    landing = (data / "state" / "landing.duckdb").stat().st_size
    warehouse = (data / "warehouse.duckdb").stat().st_size
    window = range(landing + 64 * KIB, warehouse, (warehouse - landing) // 4)
    return [0, landing // 2, *window, warehouse - 64 * KIB, warehouse + 1024 * KIB]


def every_64_kib(data: Path, more: int = 1024 * KIB) -> list[int]:
    return list(range(0, (data / "warehouse.duckdb").stat().st_size + more, 64 * KIB))


STEPS = [edges, pytest.param(every_64_kib, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]


@pytest.mark.parametrize("steps", STEPS)
def test_publish_on_a_nearly_full_disk_leaves_the_old_file_or_the_new_one_whole(
    disk: SmallDisk, filled_data: Path, clipmart: Clipmart, steps: Callable[[Path], list[int]]
) -> None:
    """It says that the disk is full, ends with 3, and leaves no file that keeps the disk full."""
    refill = refills(filled_data, disk)
    clipmart.environ["CLIPMART_DATA_DIR"] = str(disk.folder / "data")
    warehouse = disk.folder / "data" / "warehouse.duckdb"
    before = (filled_data / "warehouse.duckdb").read_bytes()
    codes = []
    for free in steps(filled_data):
        refill(free)

        done = clipmart("publish")

        codes.append(done.code)
        assert is_whole(warehouse), free
        assert (warehouse.read_bytes() == before) == (done.code != 0), free
        assert done.code == 0 or "The disk is full" in done.err, (free, done.err)
        assert list((disk.folder / "data" / "state" / "build").iterdir()) == [], free
    assert codes == sorted(codes, reverse=True) and set(codes) == {0, 3}


@pytest.mark.parametrize("steps", STEPS)
def test_a_copy_on_a_nearly_full_disk_is_the_old_one_or_the_new_one_whole(
    disk: SmallDisk, filled_data: Path, clipmart: Clipmart, steps: Callable[[Path], list[int]]
) -> None:
    """`publish FILE` likewise, over an older copy."""
    refill = refills(filled_data, disk)
    clipmart.environ["CLIPMART_DATA_DIR"] = str(filled_data)
    file = disk.folder / "data" / "warehouse.duckdb"
    codes = []
    for free in steps(filled_data):
        refill(free)
        older = file.stat().st_ino

        done = clipmart("publish", str(file))

        codes.append(done.code)
        assert is_whole(file), free
        assert (file.stat().st_ino == older) == (done.code != 0), free
        assert done.code == 0 or "The disk is full" in done.err, (free, done.err)
        assert sorted(path.name for path in file.parent.iterdir()) == ["state", file.name], free
    assert codes == sorted(codes, reverse=True) and set(codes) == {0, 3}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_sync_on_a_nearly_full_disk_leaves_the_old_file_or_the_new_one_whole(
    disk: SmallDisk, sandbox: Sandbox, prepared: Clipmart
) -> None:
    """If it runs out of room while it lands, or while it builds."""
    for number in range(JOBS):
        sandbox.add_job(f"job_{number:03}", clips=number % 8)
    prepared("track", "klipit", *(f"job_{number:03}" for number in range(JOBS)))
    assert prepared("sync").code == 0
    filled = prepared.data_dir.rename(prepared.folder / "filled")
    before = (filled / "warehouse.duckdb").read_bytes()
    refill = refills(filled, disk)
    prepared.environ["CLIPMART_DATA_DIR"] = str(disk.folder / "data")
    warehouse = disk.folder / "data" / "warehouse.duckdb"
    codes = []
    for free in every_64_kib(filled, more=3072 * KIB):
        refill(free)

        done = prepared("sync", "--refresh", "job_000")

        codes.append(done.code)
        assert is_whole(warehouse), free
        assert (warehouse.read_bytes() == before) == (done.code != 0), (free, done.err)
        full = re.search("disk is full|No space left on device", done.err)
        assert done.code == 0 or full, (free, done.err)
    assert {codes[0], codes[-1]} == {3, 0}
