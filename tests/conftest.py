"""What every room's tests share: the sandbox over real HTTP, and the command line beside it."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pytest

from sandbox import Sandbox, running

NOW = "2026-04-08T12:00:00Z"

# dlt allocates much and keeps nearly all of it: collecting after every 700 objects, as Python does
# by default, takes a fifteenth of the suite.
gc.set_threshold(100_000, 50, 100)


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Clipmart:
    """The command line with a data folder of its own; `now` pins its clock."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    publishing: bool = True
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    """All that were started."""

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def warehouse(self) -> Path:
        return self.data_dir / "warehouse.duckdb"

    def at(self, now: str | None) -> None:
        if now is None:
            self.environ.pop("CLIPMART_NOW", None)
        else:
            self.environ["CLIPMART_NOW"] = now

    def __call__(self, *arguments: str, stdin: str = "") -> Outcome:
        """Run a command in this process: imports are paid once for the whole suite."""
        from click.testing import CliRunner

        from pipelines.cli import main

        before = Path.cwd()
        os.chdir(self.folder)
        try:
            blank = {
                name: None
                for name in os.environ
                if name.startswith(("CLIPMART_", "KLIPIT_", "CLIPUS_"))
            }
            done = CliRunner().invoke(
                main, list(arguments), input=stdin, env={**blank, **self.environ}
            )
        finally:
            os.chdir(before)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Outcome(done.exit_code, done.stdout, done.stderr)

    def start(self, *arguments: str, **popen: Any) -> subprocess.Popen[str]:
        """Start a command as a process of its own, to kill or to race."""
        return self._start("-m", "pipelines", *arguments, **popen)

    def start_python(self, code: str, **popen: Any) -> subprocess.Popen[str]:
        """Start a few lines of Python; with the environment of a command."""
        return self._start("-c", code, **popen)

    def _start(self, *arguments: str, **popen: Any) -> subprocess.Popen[str]:
        clean = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("CLIPMART_", "KLIPIT_", "CLIPUS_"))
        }
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**clean, **self.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **popen,
        )
        self.processes.append(process)
        return process

    def end_processes(self) -> None:
        """End what still runs, and close its pipes: open ones would fail some later test."""
        for process in self.processes:
            process.kill()
            with process:
                pass

    def run(self, *arguments: str, timeout: float = 60) -> Outcome:
        """Run a command as a process of its own."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=timeout)
        return Outcome(process.returncode, out, err)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the published file; a bare table name means all of it."""
        query = sql if " " in sql else f"FROM {sql}"
        if not self.publishing:
            return self.landed(query)
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            con.execute(f"ATTACH '{self.warehouse}' AS w (READ_ONLY); USE w")
            if now := self.environ.get("CLIPMART_NOW"):
                con.execute("SET VARIABLE clipmart_now = ?::TIMESTAMPTZ", [now])
            return con.execute(query).fetchall()

    def landed(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the landing store."""
        with duckdb.connect(str(self.data_dir / "state/landing.duckdb")) as con:
            con.execute("SET TimeZone = 'UTC'")
            return con.execute(sql).fetchall()


def needs(program: str) -> str:
    """The path of another program; without it the test is skipped, or fails where all must run."""
    places = [
        shutil.which(program),
        *map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{program}")),
    ]
    found = [place for place in places if place]
    if not found:
        not_run(f"{program} is not installed")
    return found[-1]


def not_run(absent: str) -> NoReturn:
    """Skip the test for want of something outside Python, or fail it where all must run."""
    if os.environ.get("CLIPMART_TEST_ALL") == "1":
        pytest.fail(absent)
    pytest.skip(absent)


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Keys of the sandbox, no pacing, the clock pinned at NOW."""
    return {
        "KLIPIT_BASE_URL": sandbox.klipit_url,
        "CLIPUS_BASE_URL": sandbox.clipus_url,
        "KLIPIT_API_KEY": "klipit_sk_sandbox",
        "CLIPUS_API_KEY": "sk_live_sandbox",
        "CLIPMART_MINUTE_SECONDS": "0",
        "CLIPMART_NOW": NOW,
    }


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Both APIs, empty, without limits, standing still at NOW."""
    with running(Sandbox(now=NOW, minute_seconds=0)) as served:
        yield served


SharedFolder = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> SharedFolder:
    """A folder of a name that the first process of the suite to need it fills, for all to copy."""
    base = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each of its processes a folder inside the suite's.
    suite = base.parent if base.name.startswith("popen-") else base

    def once(name: str, fill: Callable[[Path], None]) -> Path:
        folder = suite / name
        with (suite / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished = suite / f"{name}.unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return once


@pytest.fixture(scope="session")
def prepared_state(shared_folder: SharedFolder) -> Path:
    """A state folder whose tables are made: seconds, paid once."""

    def fill(folder: Path) -> None:
        from pipelines.landing.loader import Loader
        from pipelines.landing.store import Landing
        from pipelines.landing.tables import tables_of

        state = folder / "state"
        state.mkdir(mode=0o700)
        landing = Landing(state / "landing.duckdb")
        loader = Loader(state / "landing.duckdb", state / "dlt")
        for schema in ("clipmart", "klipit", "clipus"):
            loader.load(schema, {table: [] for table in tables_of(schema)})
        landing.close()

    return shared_folder("prepared", fill) / "state"


@pytest.fixture
def clipmart(tmp_path: Path, sandbox: Sandbox) -> Iterator[Clipmart]:
    """The command line with keys of the sandbox, its clock pinned at NOW, and no data folder."""
    clipmart = Clipmart(tmp_path, environment(sandbox))
    yield clipmart
    clipmart.end_processes()


@pytest.fixture
def prepared(clipmart: Clipmart, prepared_state: Path) -> Clipmart:
    """The same with every table made, as after a first sync that landed nothing."""
    shutil.copytree(prepared_state, clipmart.data_dir / "state")
    return clipmart


@pytest.fixture
def landing_only(prepared: Clipmart, monkeypatch: pytest.MonkeyPatch) -> Clipmart:
    """The same without building and publishing, which take seconds; `rows` reads what landed."""
    monkeypatch.setattr("pipelines.warehouse.publish.publish", lambda *_: None)
    prepared.publishing = False
    return prepared


def add_three_jobs(sandbox: Sandbox) -> None:
    """What `synced` has landed: two clips, none, and a failure."""
    sandbox.add_job("job_1", clips=2, tags=["ü"])
    sandbox.add_job("job_2", clips=0)
    sandbox.add_job("job_3", status="failed", error="no speech")


@pytest.fixture(scope="session")
def synced_data(shared_folder: SharedFolder, prepared_state: Path) -> Path:
    """A data folder after one sync of three jobs, made once."""

    def fill(folder: Path) -> None:
        with running(Sandbox(now=NOW, minute_seconds=0)) as sandbox:
            add_three_jobs(sandbox)
            clipmart = Clipmart(
                folder,
                {
                    "KLIPIT_BASE_URL": sandbox.klipit_url,
                    "KLIPIT_API_KEY": "klipit_sk_sandbox",
                    "CLIPMART_MINUTE_SECONDS": "0",
                    "CLIPMART_NOW": NOW,
                },
            )
            shutil.copytree(prepared_state, clipmart.data_dir / "state")
            ids = "job_id,show_name\njob_1,Ton\njob_2,\njob_3,"
            clipmart("track", "klipit", "--from", "-", stdin=ids)
            assert clipmart("sync").code == 0

    return shared_folder("synced", fill) / "data"


@pytest.fixture
def synced(clipmart: Clipmart, sandbox: Sandbox, synced_data: Path) -> Clipmart:
    """Three jobs landed and published, one with an undocumented JSON field."""
    add_three_jobs(sandbox)
    shutil.copytree(synced_data, clipmart.data_dir)
    return clipmart
