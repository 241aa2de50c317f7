"""A message says that the disk is full only if it is."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from pipelines.disk import is_full
from pipelines.ledger.ledger import ledger_unusable_error
from sandbox import Sandbox
from tests.support.clipmart import Clipmart


def test_only_errors_of_a_full_disk_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its number, by DuckDB's message, as a deeper cause, or by the free space."""
    caused = RuntimeError("a load failed")
    caused.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    duckdbs = duckdb.IOException('Could not write file "x": No space left on device')

    assert is_full(caused, tmp_path)
    assert is_full(duckdbs, tmp_path)
    assert not is_full(OSError(errno.EACCES, "Permission denied"), tmp_path)
    assert not is_full(duckdb.IOException("Corrupt database file"), tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    assert is_full(RuntimeError("anything"), tmp_path)


def test_a_ledger_on_a_full_disk_needs_room_not_rights(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    assert "Free some space" in str(ledger_unusable_error(tmp_path / "ledger.sqlite", error))


def test_an_altered_table_is_not_blamed_on_the_disk(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """DuckDB's message, what became of the data, and the command that repairs it."""
    sandbox.add_job("job_1", clips=1)
    landing_only("track", "klipit", "job_1")
    with duckdb.connect(str(landing_only.data_dir / "state/landing.duckdb")) as con:
        con.execute("ALTER TABLE klipit.clips ALTER shareability_score TYPE DATE USING NULL")

    done = landing_only("sync")

    assert done.code == 1
    assert "full" not in done.err and "shareability_score" in done.err
    assert "`clipmart recover`" in done.err
