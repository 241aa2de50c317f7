"""A data folder that a newer clipmart wrote is refused before anything is written to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from pipelines.ledger.formats import FORMAT
from sandbox import Sandbox
from tests.support.clipmart import Clipmart

NEWER = 20_301
WRITING = [
    "sync",
    "sync --dry-run",
    "track klipit job_9",
    "untrack klipit job_1",
    "credits 5",
    "submit klipit --source-url https://good.example/episode",
    "export job_1",
    "listen --port 0",
    "publish",
    "recover",
    "recover --force",
    "rejected --replay",
]
LANDING = ["sync", "publish", "recover --force", "rejected --replay"]
READING = ["status", "ids klipit"]


def bytes_in(folder: Path) -> dict[str, bytes]:
    """Every file with its content, but for the lock and SQLite's log, which reading creates."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("lock", "ledger.sqlite-shm", "ledger.sqlite-wal")
    }


def refused(clipmart: Clipmart, command: str) -> None:
    before = bytes_in(clipmart.data_dir)
    done = clipmart(*command.split())
    assert done.code == 3, command
    (line,) = [line for line in done.err.splitlines() if "was written by" in line]
    assert "by clipmart 2.3.1 or later" in line and "pip install 'clipmart>=2.3.1'" in line
    assert "Nothing was changed" in line
    assert bytes_in(clipmart.data_dir) == before, command


def test_a_ledger_of_a_newer_version_is_refused(sandbox: Sandbox, synced: Clipmart) -> None:
    """By every command that opens it; `report` reads only the published file."""
    with closing(sqlite3.connect(synced.data_dir / "state/ledger.sqlite")) as ledger:
        ledger.execute(f"PRAGMA user_version = {NEWER}")
    synced.environ["KLIPIT_WEBHOOK_SECRET"] = "s" * 32

    for command in [*WRITING, *READING]:
        refused(synced, command)

    assert "clipmart 2.3.1" in synced("doctor", "--json").out
    assert synced("report", "shareability").code == 0
    assert [request.path for request in sandbox.requests if request.method == "POST"] == []


def test_a_landing_store_of_a_newer_version_is_refused(sandbox: Sandbox, synced: Clipmart) -> None:
    """Also if the ledger was lost, and with it the format of the whole folder."""
    with duckdb.connect(str(synced.data_dir / "state/landing.duckdb")) as landing:
        landing.execute(f"UPDATE store.format SET number = {NEWER}")
    (synced.data_dir / "state/ledger.sqlite").unlink()
    synced("track", "klipit", "job_1")

    for command in LANDING:
        refused(synced, command)
    assert sandbox.requests == []


@pytest.mark.parametrize("command", ["sync", "track klipit job_4"])
def test_an_older_folder_is_marked(command: str, synced: Clipmart) -> None:
    """One without a mark is of a version before 0.1.0; the first command that writes marks it."""
    state = synced.data_dir / "state"
    with closing(sqlite3.connect(state / "ledger.sqlite")) as ledger:
        ledger.execute("PRAGMA user_version = 0")
    with duckdb.connect(str(state / "landing.duckdb")) as landing:
        landing.execute("DROP SCHEMA store CASCADE")

    assert synced(*command.split()).code == 0

    with closing(sqlite3.connect(state / "ledger.sqlite")) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    if command == "sync":
        assert synced.landed("SELECT number FROM store.format") == [(FORMAT,)]
