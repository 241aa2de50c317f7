"""What a person sees who runs `clipmart demo` first."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import takewhile
from pathlib import Path

import pytest
from rich.cells import cell_len

from pipelines.program import checkout, command_line
from sandbox.accounts import CLIPUS_KEY, KLIPIT_KEY
from tests.support.demo_run import CANARY, KEYS, DemoRun, clean_environment

pytestmark = pytest.mark.xdist_group("demo")  # another worker would only wait for it

TITLES = ("shareability", "moment types", "video readiness", "credit usage")


def test_it_ends_well(demo_run: DemoRun) -> None:
    """No key, no question, exit 0."""
    assert demo_run.code == 0, demo_run.err


@pytest.mark.parametrize("title", TITLES)
def test_the_four_reports_are_on_stdout(demo_run: DemoRun, title: str) -> None:
    """Each main report has its title and rows."""
    lines = iter(demo_run.out.splitlines())
    assert any(line.rstrip() == title for line in lines)
    assert any("─" in line for line in lines)
    rows = list(takewhile(str.strip, lines))
    assert len(rows) >= 8


def test_it_fits_eighty_columns(demo_run: DemoRun) -> None:
    """Reports and progress fit a terminal of 80 columns, in any script."""
    lines = demo_run.out.splitlines() + demo_run.err.split("\n\n")[0].splitlines()
    assert max(map(cell_len, lines)) <= 80


def test_progress_goes_to_stderr(demo_run: DemoRun) -> None:
    """A line a sync, at least eight; stdout holds the reports alone."""
    assert len(re.findall(r"; synced ", demo_run.err)) >= 8
    assert "synced" not in demo_run.out


def test_real_keys_are_neither_used_nor_printed(demo_run: DemoRun) -> None:
    """Keys and addresses of the environment, .env and secrets.toml go nowhere."""
    assert demo_run.strangers == 0
    printed = demo_run.out + demo_run.err
    assert CANARY not in printed
    assert KLIPIT_KEY not in printed
    assert CLIPUS_KEY not in printed
    for path in demo_run.data_dir.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path


def test_everything_is_in_its_own_folder(demo_run: DemoRun) -> None:
    """Beside data/demo nothing is written."""
    folder = Path(demo_run.folder)
    assert {path.name for path in folder.iterdir()} == {".env", ".dlt", "data"}
    assert [path.name for path in (folder / "data").iterdir()] == ["demo"]


def test_what_it_says_to_try_next_works(demo_run: DemoRun) -> None:
    """Every command on the demo's data runs as printed and prints something."""
    shown = [line for line in demo_run.err.splitlines() if line.startswith("  CLIPMART_DATA_DIR=")]
    commands = [line.strip() for line in shown if "jupyter" not in line]
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=demo_run.folder,
            env=clean_environment() | KEYS,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, ""), command
        assert len(done.stdout.splitlines()) > 3, command


def test_it_names_the_notebook(demo_run: DemoRun) -> None:
    """The notebook it points to exists, with the folder of the data that was created."""
    if checkout() is None:  # the wheel's are copied out first
        assert f"  {command_line()} notebooks notebooks" in demo_run.err.splitlines()
        return
    (line,) = [line for line in demo_run.err.splitlines() if "jupyter" in line]
    setting, _, lab, root, notebook = shlex.split(line)
    assert setting == f"CLIPMART_DATA_DIR={demo_run.data_dir}"
    assert (lab, root.partition("=")[0]) == ("lab", "--ServerApp.root_dir")
    assert Path(root.partition("=")[2], "docs").is_dir()
    assert Path(demo_run.folder, notebook).exists()
