"""The command line for tests, in this process or in another one, with a clock that they set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from pipelines.settings import Settings
from sandbox import Sandbox

NOW = "2026-04-08T12:00:00Z"

SharedFolder = Callable[[str, Callable[[Path], None]], Path]


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


def command_line(settings: Settings, folder: Path) -> Clipmart:
    """The command line with a store that it only reads."""
    return Clipmart(
        folder,
        {"CLIPMART_DATA_DIR": str(settings.data_dir), "CLIPMART_NOW": str(settings.now())},
    )


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


def add_three_jobs(sandbox: Sandbox) -> None:
    """What `synced` has landed: two clips, none, and a failure."""
    sandbox.add_job("job_1", clips=2, tags=["ü"])
    sandbox.add_job("job_2", clips=0)
    sandbox.add_job("job_3", status="failed", error="no speech")
