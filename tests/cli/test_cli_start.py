"""Commands that only read start fast: they import neither dlt nor SQLMesh nor pandas."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.clipmart import Clipmart

LOADED = """
import sys
from pipelines.cli import main
try:
    main(sys.argv[1:], prog_name="clipmart")
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = {"dlt", "sqlmesh", "pandas", "pyarrow", "mcp", "pydantic", "httpx"} & sys.modules.keys()
assert not heavy, heavy
"""


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["report"], ["ids", "klipit"]])
def test_reading_imports_no_loader(synced: Clipmart, arguments: list[str]) -> None:

    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=synced.folder,
        env={"PATH": "/usr/bin:/bin", **synced.environ},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


def test_what_talks_to_the_apis_without_loading_imports_no_dlt() -> None:
    """`submit` and `export` ask httpx alone; dlt would cost them most of a second."""
    code = (
        "import sys, pipelines.submissions.submit, pipelines.submissions.export;"
        "assert 'dlt' not in sys.modules"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_a_sync_that_has_nothing_to_load_imports_no_loader(synced: Clipmart) -> None:
    """It requests the balance, so it needs httpx and no more; nothing watches it either."""
    watching = '"pipelines.health.notify", "pipelines.health.metrics", "pipelines.health.ping"'
    code = LOADED.replace('"httpx"}', f"{watching}}}")
    assert watching in code

    done = subprocess.run(
        [sys.executable, "-c", code, "sync"],
        cwd=synced.folder,
        env={"PATH": "/usr/bin:/bin", **synced.environ},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


def test_status_works_before_anything_is_there(clipmart: Clipmart) -> None:
    done = clipmart("status", "--json")
    assert done.code == 0
    assert done.json()["published"] is None and done.json()["last_runs"] == []


def test_status_names_runs_and_freshness(synced: Clipmart) -> None:
    synced.at("2026-04-08T15:00:00Z")

    status = synced("status", "--json").json()

    assert [run["exit_code"] for run in status["last_runs"]] == [0]
    clips = next(t for t in status["freshness"] if t["table_name"] == "klipit.clips")
    assert (clips["row_count"], clips["hours_old"]) == (2, 3.0)
