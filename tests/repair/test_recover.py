"""What is broken is named with its remedy; the published file still opens; `recover` mends."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from sandbox import Sandbox
from tests.support.clipmart import Clipmart

TABLES = ("klipit.jobs", "klipit.clips", "klipit.submissions", "klipit.job_observations")


def content(prepared: Clipmart) -> dict[str, Counter[tuple[str, ...]]]:
    return {
        table: Counter(tuple(map(str, row)) for row in prepared.rows(table)) for table in TABLES
    }


def damage(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[: len(raw) // 2] = b"\xff" * (len(raw) // 2)
    path.write_bytes(raw)


def test_a_damaged_landing_store_is_rebuilt_from_the_published_file(
    sandbox: Sandbox, synced: Clipmart
) -> None:
    """Sync says what to do; after `recover` nothing is requested again and the rows are equal."""
    before = content(synced)
    damage(synced.data_dir / "state" / "landing.duckdb")

    refused = synced("sync")
    assert refused.code == 3
    assert "clipmart recover" in refused.err and "landing.duckdb" in refused.err
    assert synced("report", "shareability").code == 0

    assert "The old one is now" in synced("recover").out
    assert synced("sync").code == 0
    assert [request.path for request in sandbox.requests] == ["/account"]
    assert content(synced) == before
    assert list((synced.data_dir / "state").glob("landing.duckdb.damaged-*"))


@pytest.mark.soak
def test_a_landing_store_that_is_gone_is_rebuilt_the_same_way(
    sandbox: Sandbox, synced: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in several batches: a batch that split a job's clips would lose some."""
    monkeypatch.setattr("pipelines.repair.recover.BATCH_ROWS", 1)
    before = content(synced)
    (synced.data_dir / "state" / "landing.duckdb").unlink()
    synced("recover")
    assert synced("sync").code == 0
    assert [request.path for request in sandbox.requests] == ["/account"]
    assert content(synced) == before


def test_a_lost_dlt_folder_loses_nothing(sandbox: Sandbox, synced: Clipmart) -> None:
    before = content(synced)
    shutil.rmtree(synced.data_dir / "state" / "dlt")
    sandbox.add_job("job_4", clips=1)
    synced("track", "klipit", "job_4")

    assert synced("sync").code == 0
    after = content(synced)
    assert after["klipit.jobs"] > before["klipit.jobs"]
    assert sum(after["klipit.clips"].values()) == 3


def test_a_damaged_ledger_is_renamed_and_known_ids_stay_known(
    sandbox: Sandbox, synced: Clipmart
) -> None:
    before = content(synced)
    ledger = synced.data_dir / "state" / "ledger.sqlite"
    damage(ledger)

    refused = synced("sync")
    assert refused.code == 3 and "clipmart recover" in refused.err

    assert "ledger was damaged" in synced("recover").out
    sandbox.add_job("job_4", clips=0)
    synced("track", "klipit", "job_4")
    assert synced("sync").code == 0
    assert sandbox.asked("GET", "/jobs/*") == 1
    assert sum(content(synced)["klipit.jobs"].values()) == 4
    assert content(synced)["klipit.clips"] == before["klipit.clips"]
    assert "Ton" in synced("ids", "klipit").out


def test_a_truncated_ledger_keeps_the_events_that_can_be_read(synced: Clipmart) -> None:
    """Half of the file is gone: no traceback, and a ledger that works afterwards."""
    ledger = synced.data_dir / "state" / "ledger.sqlite"
    for log in ("-wal", "-shm"):
        ledger.with_name(ledger.name + log).unlink(missing_ok=True)
    ledger.write_bytes(ledger.read_bytes()[: ledger.stat().st_size // 2])

    synced("recover")

    assert synced("sync").code == 0
    assert "job_1" in synced("ids", "klipit").out


def test_an_intact_state_is_unchanged(synced: Clipmart) -> None:
    before = (synced.data_dir / "state" / "landing.duckdb").stat().st_mtime_ns
    assert "Nothing is damaged" in synced("recover").out
    assert (synced.data_dir / "state" / "landing.duckdb").stat().st_mtime_ns == before


def test_a_file_in_place_of_the_warehouse_that_is_not_a_database_is_named(synced: Clipmart) -> None:
    synced.warehouse.write_bytes(b"not a database" * 1000)
    done = synced("report")
    assert done.code == 3
    assert str(synced.warehouse) in done.err and "clipmart publish" in done.err
    assert synced("publish").code == 0
    assert synced("report").code == 0


def test_a_landing_store_of_a_newer_duckdb_is_named(synced: Clipmart) -> None:
    """Storage version 999: no traceback, the remedy named, the published file readable."""
    landing = synced.data_dir / "state" / "landing.duckdb"
    raw = bytearray(landing.read_bytes())
    raw[12:20] = (999).to_bytes(8, "little")
    landing.write_bytes(raw)
    with pytest.raises(duckdb.Error) as raised:
        duckdb.connect(str(landing))
    # The header's checksum, which DuckDB has just reported, is in the first eight bytes.
    (checksum,) = re.findall(r"computed checksum (\d+)", str(raised.value))
    raw[:8] = int(checksum).to_bytes(8, "little")
    landing.write_bytes(raw)

    refused = synced("sync")

    assert refused.code == 3
    # DuckDB 1 names the 999; for DuckDB 2 the header is not one that it knows.
    assert re.search("999|Storage Version", refused.err) and "clipmart recover" in refused.err
    assert synced("report", "shareability").code == 0
