"""A wrong id can be forgotten, and brought back."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from datetime import UTC, datetime

import duckdb

from pipelines.ledger.ledger import Event, Ledger
from sandbox import Sandbox
from tests.support.clipmart import Clipmart


def known(clipmart: Clipmart) -> dict[str, int]:
    """Known and due jobs, as status and the worklist count them."""
    done = clipmart("status", "--json")
    assert done.code == 0, done.err
    status = done.json()["services"]["klipit"]
    return {name: status[name] for name in ("known", "due", "open")}


def forget_column(con: duckdb.DuckDBPyConnection) -> None:
    for schema in ("klipit", "clipus"):
        con.execute(f"ALTER TABLE {schema}.submissions DROP COLUMN untracked_at")


def test_an_untracked_id_is_neither_polled_nor_known(sandbox: Sandbox, synced: Clipmart) -> None:
    """At once in status and ids, and after a sync; what landed of it stays.

    A webhook does not bring it back, but `track` does.
    """
    sandbox.add_job("job_4", status="clipping")
    synced("track", "klipit", "job_4")
    assert synced("sync").code == 0
    assert known(synced) == {"known": 4, "due": 0, "open": 1}
    synced.at("2026-04-08T16:00:00Z")
    assert known(synced) == {"known": 4, "due": 1, "open": 1}

    assert synced("untrack", "klipit", "job_4", "job_1").code == 0
    assert known(synced) == {"known": 2, "due": 0, "open": 0}
    assert "job_4" not in synced("ids", "klipit").out
    sandbox.forget_requests()
    for _ in range(2):
        done = synced("sync", "--json").json()["services"]["klipit"]
        assert (done["known"], done["due"]) == (2, 0)
        assert known(synced) == {"known": 2, "due": 0, "open": 0}
    assert sandbox.asked(path="/jobs/*") == 0
    assert synced.rows("SELECT id FROM klipit.jobs ORDER BY id")[-1] == ("job_4",)
    assert synced.rows("SELECT job_id, state FROM klipit.submissions WHERE job_id = 'job_4'") == [
        ("job_4", "known")
    ]
    assert synced.rows("SELECT count(*) FROM reports.job_turnaround WHERE stuck") == [(0,)]
    assert synced("sync", "--refresh", "job_4").code == 2

    assert synced("track", "klipit", "job_4").code == 0
    assert known(synced)["known"] == 3
    assert synced("sync", "--json").json()["services"]["klipit"]["asked"] == 1


def test_a_webhook_brings_no_untracked_id_back(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """Its event lands; only `track` makes the id known again, without new metadata."""
    clipmart = landing_only
    clipmart("track", "klipit", "job_1")
    clipmart("untrack", "klipit", "job_1")
    clipmart("sync")  # so that the untracked row is landed
    body = {"event": "job.complete", "job_id": "job_1"}
    with closing(Ledger(clipmart.data_dir / "state/ledger.sqlite")) as ledger:
        ledger.add([Event("klipit", "webhook", "e1", "job_1", datetime.now(UTC), body)])
    assert clipmart("ids", "klipit").out.count("job_1") == 0
    assert clipmart("sync", "--json").json()["services"]["klipit"]["known"] == 0
    assert sandbox.asked(path="/jobs/*") == 0
    assert clipmart.rows("SELECT job_id FROM klipit.webhook_events") == [("job_1",)]

    clipmart("track", "klipit", "job_1")
    clipmart("sync")
    assert sandbox.asked(path="/jobs/*") == 1


def test_an_id_that_is_not_tracked_is_named(clipmart: Clipmart) -> None:
    """1; the others are untracked."""
    clipmart("track", "klipit", "job_1", "job_2;x")
    done = clipmart("untrack", "klipit", "job_2;x", "job_9")
    assert done.code == 1
    assert "job_9" in done.err
    assert "job_2" not in clipmart("ids", "klipit").out
    assert clipmart("untrack", "klipit", "job_2;x").code == 1
    assert clipmart("track", "klipit", "job_2;x").code == 0
    assert "job_2;x" in clipmart("ids", "klipit").out


def forget_in_dlts_record(con: duckdb.DuckDBPyConnection, schema: str) -> None:
    """The schema that dlt recorded of an earlier version's store."""
    for version, stored in con.execute(
        f"SELECT version, schema FROM {schema}._dlt_version"
    ).fetchall():
        recorded = json.loads(stored)
        recorded["tables"]["submissions"]["columns"].pop("untracked_at", None)
        con.execute(
            f"UPDATE {schema}._dlt_version SET schema = ? WHERE version = ?",
            [json.dumps(recorded), version],
        )


def test_a_store_of_an_earlier_version_has_nothing_untracked(
    sandbox: Sandbox, synced: Clipmart
) -> None:
    """Every command reads a landing store and published file without the column.

    `untrack` adds it.
    """
    with duckdb.connect(str(synced.warehouse)) as con:
        # The views of an earlier version know no such column.
        for view in ("staging.stg_klipit__job_progress", "staging.stg_clipus__campaigns"):
            con.execute(f"CREATE TABLE main.copy AS FROM {view}; DROP VIEW {view}")
            con.execute(f"CREATE TABLE {view} AS FROM main.copy; DROP TABLE main.copy")
        forget_column(con)
    with duckdb.connect(str(synced.data_dir / "state/landing.duckdb")) as con:
        forget_column(con)
        for schema in ("klipit", "clipus"):
            forget_in_dlts_record(con, schema)
    shutil.rmtree(synced.data_dir / "state/dlt")
    assert known(synced)["known"] == 3
    assert synced("ids", "klipit").out.count("job_") == 4  # the header's job_id too
    assert synced("sync").code == 0
    assert "Nothing is damaged" in synced("recover").out
    assert synced("untrack", "klipit", "job_1").code == 0
    assert synced("sync").code == 0
    assert known(synced)["known"] == 2
    assert synced.rows("SELECT job_id FROM klipit.submissions WHERE untracked_at IS NOT NULL") == [
        ("job_1",)
    ]
