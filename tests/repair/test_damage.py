"""Whatever is damaged in the state is detected, saved as far as it can be read, and repaired."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipelines.ledger.ledger import Event, Ledger
from pipelines.repair.stores import Stores
from pipelines.settings import Settings
from sandbox import Sandbox
from tests.support.clipmart import Clipmart

BLOCK = 262_144
FIRST_BLOCK = 12_288
Damage = Callable[[Path], None]
TABLES = (
    *("klipit.jobs", "klipit.clips", "klipit.clip_reads", "klipit.submissions"),
    *("klipit.job_observations", "klipit.account_snapshots"),
)


def flip(path: Path, *offsets: int) -> None:
    with path.open("r+b") as file:
        for offset in offsets:
            file.seek(offset)
            (byte,) = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ 0x40]))


def landing_of(data_dir: Path) -> Path:
    return data_dir / "state" / "landing.duckdb"


def altered(*statements: str) -> Damage:
    def alter(landing: Path) -> None:
        with duckdb.connect(str(landing)) as con:
            for statement in statements:
                con.execute(statement)

    return alter


def damage_of(data_dir: Path) -> str | None:
    with closing(Stores(Settings(data_dir=data_dir))) as stores:
        return stores.damage()


def landed(landing: Path) -> list[list[tuple[object, ...]]]:
    with duckdb.connect(str(landing), read_only=True) as con:
        return [con.execute(f"FROM {table} ORDER BY ALL").fetchall() for table in TABLES]


def published(clipmart: Clipmart) -> dict[str, list[tuple[object, ...]]]:
    return {table: clipmart.rows(f"FROM {table} ORDER BY ALL") for table in TABLES}


def test_one_flipped_byte_in_any_block_is_reported_or_harmless(synced: Clipmart) -> None:
    """Each block and each header in turn; a count alone would be answered from statistics."""
    landing = landing_of(synced.data_dir)
    sound, rows = landing.read_bytes(), landed(landing)
    blocks = range(FIRST_BLOCK, len(sound), BLOCK)
    assert damage_of(synced.data_dir) is None
    reported = 0

    for offset in (100, 4_120, 8_220, *(block + 3_000 for block in blocks)):
        landing.write_bytes(sound)
        flip(landing, offset)
        if damage_of(synced.data_dir) is None:
            assert landed(landing) == rows, offset
        else:
            reported += 1

    assert reported > len(blocks) / 2


def test_a_file_cut_anywhere_is_reported_or_whole(synced: Clipmart) -> None:
    landing = landing_of(synced.data_dir)
    size, rows = landing.stat().st_size, landed(landing)

    for length in (int(size * 0.98), *range(size - BLOCK, -1, -3 * BLOCK), 100, 0):
        os.truncate(landing, length)
        if damage_of(synced.data_dir) is None:
            assert landed(landing) == rows, length
    assert damage_of(synced.data_dir) is not None


STRUCTURE = {
    "a missing table": (altered("DROP TABLE klipit.clip_reads"), "klipit.clip_reads"),
    "a missing column": (altered("ALTER TABLE klipit.jobs DROP tags"), "klipit.jobs.tags"),
    "text where a number was": (
        altered("ALTER TABLE klipit.clips ALTER shareability_score TYPE VARCHAR"),
        "klipit.clips.shareability_score",
    ),
    "JSON where text was": (
        altered("ALTER TABLE klipit.jobs ALTER status TYPE JSON USING to_json(status)"),
        "klipit.jobs.status",
    ),
    "no list of loads": (altered("DROP TABLE klipit._dlt_loads"), "klipit._dlt_loads"),
    "no state of dlt's": (
        altered("DROP TABLE klipit._dlt_pipeline_state"),
        "klipit._dlt_pipeline_state",
    ),
    "no schema of dlt's": (altered("DROP TABLE klipit._dlt_version"), "klipit._dlt_version"),
    "a missing staging table": (altered("DROP TABLE klipit_staging.jobs"), "klipit_staging.jobs"),
    "a staging column of another type": (
        altered("ALTER TABLE klipit_staging.jobs ALTER status TYPE INTEGER"),
        "klipit_staging.jobs.status",
    ),
    "no schema at all": (altered("DROP SCHEMA klipit CASCADE"), "klipit.jobs"),
    "fewer ids than published": (
        altered("DELETE FROM klipit.submissions WHERE job_id = 'job_1'"),
        "klipit.submissions",
    ),
}


@pytest.mark.parametrize(("harm", "named"), STRUCTURE.values(), ids=STRUCTURE)
def test_an_altered_table_is_named(synced: Clipmart, harm: Damage, named: str) -> None:
    harm(landing_of(synced.data_dir))

    assert named in (damage_of(synced.data_dir) or "")


REPAIRED = {
    "a flipped byte": lambda landing: flip(landing, *range(FIRST_BLOCK + 99, 20 * BLOCK, BLOCK)),
    "cut to 98 %": lambda landing: os.truncate(landing, int(landing.stat().st_size * 0.98)),
    **{
        name: STRUCTURE[name][0]
        for name in ("JSON where text was", "a missing table", "no list of loads")
    },
    "no state of dlt's": STRUCTURE["no state of dlt's"][0],
    "a missing staging table": STRUCTURE["a missing staging table"][0],
}
OFTEN = ("a missing table",)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(harm, id=name, marks=() if name in OFTEN else pytest.mark.soak)
        for name, harm in REPAIRED.items()
    ],
)
def test_after_recover_the_next_sync_is_complete(
    sandbox: Sandbox, synced: Clipmart, harm: Damage
) -> None:
    """Sync names `recover` or repairs the store; then every old and new row exists once."""
    before = published(synced)
    harm(landing_of(synced.data_dir))
    sandbox.add_job("job_4", clips=3)
    synced("track", "klipit", "job_4")

    refused = synced("sync")
    assert refused.code == 0 or "`clipmart recover`" in refused.err
    assert "full" not in refused.err
    assert synced("recover").code == 0
    done = synced("sync")

    assert done.code == 0, done.err
    after = published(synced)
    for table in ("klipit.jobs", "klipit.clips", "klipit.submissions", "klipit.job_observations"):
        assert set(map(str, before[table])) <= set(map(str, after[table])), table
    assert [id_ for id_, *_ in after["klipit.jobs"]] == ["job_1", "job_2", "job_3", "job_4"]
    assert len(after["klipit.clips"]) == 2 + 3
    assert "Nothing is damaged" in synced("recover").out


def test_what_landed_after_the_last_publication_is_taken_from_the_old_store(
    sandbox: Sandbox, synced: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job with its clips, and the removal of another's, landed but were not published."""
    sandbox.add_job("job_4", clips=3)
    synced("track", "klipit", "job_4")
    with monkeypatch.context() as unpublished:
        unpublished.setattr("pipelines.warehouse.publish.publish", lambda *_, **_named: True)
        assert synced("sync").code == 0
    altered("DROP TABLE klipit._dlt_pipeline_state")(landing_of(synced.data_dir))
    sandbox.requests.clear()

    assert "not published yet" in synced("recover").out
    assert synced("sync").code == 0

    assert [request.path for request in sandbox.requests] == ["/account"]
    assert synced.rows("SELECT count(*) FROM klipit.clips WHERE job_id = 'job_4'") == [(3,)]


def test_clips_that_an_answer_removed_do_not_come_back_from_the_published_file(
    sandbox: Sandbox, synced: Clipmart
) -> None:
    """The landing store read job_1 last, and there were no clips."""
    altered(
        "DELETE FROM klipit.clips WHERE job_id = 'job_1'",
        "UPDATE klipit.clip_reads SET clips = 0, observed_at = observed_at + INTERVAL 1 MINUTE",
    )(landing_of(synced.data_dir))

    assert synced("recover", "--force").code == 0

    assert synced.landed("SELECT count(*) FROM klipit.clips WHERE job_id = 'job_1'") == [(0,)]
    assert synced.landed("SELECT clips FROM klipit.clip_reads WHERE job_id = 'job_1'") == [(0,)]


def test_an_older_landing_store_replaces_nothing_newer(sandbox: Sandbox, synced: Clipmart) -> None:
    """A backup of it was restored: what was published since stays."""
    landing = landing_of(synced.data_dir)
    shutil.copy(landing, synced.folder / "backup")
    sandbox.add_job("job_4", clips=3)
    synced("track", "klipit", "job_4")
    assert synced("sync").code == 0
    shutil.copy(synced.folder / "backup", landing)

    assert "lacks" in synced("recover").out

    assert synced.landed("SELECT count(*) FROM klipit.clips") == [(5,)]
    assert synced.landed("SELECT count(job_id) FROM klipit.submissions") == [(4,)]


def test_force_rebuilds_an_intact_store_and_saves_the_old_one(synced: Clipmart) -> None:
    landing = landing_of(synced.data_dir)
    rows = published(synced)

    done = synced("recover", "--force")

    assert done.code == 0 and "--force" in done.out
    assert len(list(landing.parent.glob("landing.duckdb.damaged-*"))) == 1
    assert synced("recover", "--force").code == 0
    assert len(list(landing.parent.glob("landing.duckdb.damaged-*"))) == 2
    assert synced("sync").code == 0
    assert published(synced) == rows


def test_a_store_that_another_program_has_open_does_not_count_as_damaged(synced: Clipmart) -> None:
    landing = landing_of(synced.data_dir)
    code = (
        f"import duckdb; c = duckdb.connect({str(landing)!r}); print('open', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        done = synced("recover")
    finally:
        holder.kill()
        holder.communicate()

    assert done.code == 75
    assert "landing.duckdb" in done.err
    assert not list(landing.parent.glob("*damaged*"))


def test_without_landing_store_and_readable_published_file_nothing_is_changed(
    synced: Clipmart,
) -> None:
    """An empty store in their place would soon be published over the file."""
    landing_of(synced.data_dir).unlink()
    synced.warehouse.write_bytes(b"\xff" * 100_000)

    done = synced("recover")

    assert done.code == 3
    assert "cannot be opened" in done.err and "earlier copy" in done.err
    assert not landing_of(synced.data_dir).exists()


# The ledger.


def ledger_with(data_dir: Path, ids: int) -> Path:
    (data_dir / "state").mkdir(parents=True, exist_ok=True)
    path = data_dir / "state" / "ledger.sqlite"
    now = datetime(2026, 4, 8, tzinfo=UTC)
    ledger = Ledger(path)
    ledger.add(
        Event("klipit", "import", f"event-{n:05}", f"job_{n:05}", now, {"job_id": f"job_{n:05}"})
        for n in range(ids)
    )
    ledger.prove("a key", now)
    ledger.start_run("run-1", now)
    ledger.close()
    return path


def events_of(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as con:
        return {id_ for (id_,) in con.execute("SELECT event_id FROM events")}


def page_with(path: Path, text: bytes, first: int) -> int:
    """Number of the n-th page of a table's rows that holds a text."""
    raw = path.read_bytes()
    holding = [
        number
        for number in range(len(raw) // 4096)
        if raw[number * 4096] == first and text in raw[number * 4096 : (number + 1) * 4096]
    ]
    return holding[len(holding) // 2]


def overwrite(path: Path, page: int) -> bytes:
    """Fill a page with ones; returns what it held."""
    with path.open("r+b") as file:
        file.seek(page * 4096)
        held = file.read(4096)
        file.seek(page * 4096)
        file.write(b"\xff" * 4096)
    return held


@pytest.mark.parametrize("page", ["first", "rows", "index", "inner"])
def test_only_the_events_of_a_damaged_page_are_lost(clipmart: Clipmart, page: str) -> None:
    """The file's first page, a page of rows, one of an index, one that refers to the others."""
    path = ledger_with(clipmart.data_dir, 2_000)
    before = events_of(path)
    pages: dict[str, Callable[[], int]] = {
        "first": lambda: 0,
        "rows": lambda: page_with(path, b"event-", first=13),
        "index": lambda: page_with(path, b"job_", first=10),
        "inner": lambda: next(n for n in range(1, 99) if path.read_bytes()[n * 4096] == 5),
    }
    number = pages[page]()
    held = overwrite(path, number)

    done = clipmart("recover")

    assert done.code == 0
    lost = {id_ for id_ in before if id_.encode() in held} if page == "rows" else set()
    assert before - events_of(path) == lost
    assert f"{2_000 - len(lost):,} events were saved" in done.out
    # Of the lost ones an index still knows the ids.
    assert clipmart("ids", "klipit").out.count("job_0") == 2_000
    with closing(Ledger(path)) as ledger:
        assert ledger.is_proven("a key") or page == "first"
        assert [run["run_id"] for run in ledger.runs(datetime.now(UTC))] == ["run-1"]


def test_a_flipped_byte_in_the_middle_of_a_page_costs_one_event_at_most(
    clipmart: Clipmart,
) -> None:
    path = ledger_with(clipmart.data_dir, 500)
    before = events_of(path)
    number = page_with(path, b'"job_id"', first=13)
    raw = path.read_bytes()
    flip(path, raw.index(b'{"job_id', number * 4096))

    refused = clipmart("sync")
    assert refused.code == 3 and "`clipmart recover`" in refused.err
    assert "499 events were saved" in clipmart("recover").out

    assert len(before - events_of(path)) <= 2  # the lost one's id is saved under a new event
    assert clipmart("ids", "klipit").out.count("job_0") == 500


@pytest.mark.parametrize("offset", [3_045, 3_850, 17, 0])
def test_a_damaged_schema_of_the_ledger_costs_no_event(clipmart: Clipmart, offset: int) -> None:
    """A byte in the text of the tables' statements, and one in the file's header."""
    path = ledger_with(clipmart.data_dir, 300)
    flip(path, offset)

    done = clipmart("recover")

    assert done.code == 0, done.err
    assert clipmart("ids", "klipit").out.count("job_0") == 300


def test_events_of_the_log_of_a_killed_receiver_are_saved_too(clipmart: Clipmart) -> None:
    """They are in the -wal file only; the file's first page is damaged."""
    path = ledger_with(clipmart.data_dir, 50)
    open_ledger = Ledger(path)
    now = datetime(2026, 4, 8, tzinfo=UTC)
    open_ledger.add([Event("klipit", "import", "late", "job_late", now, {"job_id": "job_late"})])
    copies = {part: path.with_name(path.name + part).read_bytes() for part in ("", "-wal")}
    open_ledger.close()
    for part, content in copies.items():
        path.with_name(path.name + part).write_bytes(content)
    flip(path, 3)

    assert "51 events were saved" in clipmart("recover").out
    assert "late" in events_of(path)


def test_a_ledger_that_another_program_writes_is_not_moved(
    clipmart: Clipmart,
) -> None:
    """Events that `clipmart listen` answers 2xx would be written to a file that nobody reads."""
    path = ledger_with(clipmart.data_dir, 500)
    overwrite(path, page_with(path, b"event-", first=13))
    code = f"""
import sqlite3, sys
con = sqlite3.connect({str(path)!r})
con.execute("SELECT count(*) FROM runs").fetchall()
print("open", flush=True)
input()
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        done = clipmart("recover")
    finally:
        holder.kill()
        holder.communicate()

    assert done.code == 75 and "clipmart listen" in done.err
    assert not list(path.parent.glob("*damaged*"))
    assert "events were saved" in clipmart("recover").out


# dlt's folder.


def leave_a_package(data_dir: Path, job_id: str, *, normalized: bool) -> None:
    """What a sync that was killed before its load leaves in dlt's folder."""
    import dlt

    from pipelines.landing.destination import destination
    from sources.klipit.tables import JOBS
    from sources.shared.drift import Drift
    from sources.shared.resources import arrow_item, resource

    pipeline = dlt.pipeline(
        "klipit",
        pipelines_dir=str(data_dir / "state" / "dlt"),
        destination=destination(landing_of(data_dir)),
        dataset_name="klipit",
    )
    row = {"id": job_id, "observed_at": datetime(2026, 4, 8, tzinfo=UTC)}

    @dlt.source(name="klipit", max_table_nesting=0)
    def killed() -> object:
        return [resource(JOBS, arrow_item(JOBS, [row], Drift()))]

    pipeline.extract(killed(), loader_file_format="parquet")
    if normalized:
        pipeline.normalize()


CONTENTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "garbage": lambda _: b"\x00\xff{" * 100,
    "half": lambda whole: whole[: len(whole) // 2],
}


@pytest.mark.parametrize(
    ("content", "package"),
    [
        pytest.param(
            content,
            package,
            marks=() if (content, package) == ("empty", "none") else pytest.mark.soak,
        )
        for content in CONTENTS
        for package in ("none", "extracted", "normalized")
    ],
)
def test_any_file_of_dlt_may_be_damaged_and_sync_continues(
    sandbox: Sandbox, landing_only: Clipmart, content: str, package: str
) -> None:
    """Every file of the folder in turn: losing it loses nothing, so no sync stops at it.

    The soak adds other contents, and a package that an interrupted sync left behind.
    """
    folder = landing_only.data_dir / "state" / "dlt"
    sandbox.add_job("job_0", clips=1)
    landing_only("track", "klipit", "job_0")
    assert landing_only("sync").code == 0

    tried = 0
    while True:
        if package != "none":
            leave_a_package(landing_only.data_dir, "job_0", normalized=package == "normalized")
        files = sorted(
            file
            for file in folder.rglob("*")
            if file.is_file() and "klipit" in file.parts and "loaded" not in file.parts
        )
        if tried == len(files):
            break
        file = files[tried]
        file.write_bytes(CONTENTS[content](file.read_bytes()))
        tried += 1
        sandbox.add_job(f"job_{tried}", clips=1)
        landing_only("track", "klipit", f"job_{tried}")

        done = landing_only("sync")

        assert done.code == 0, (file, done.err)
        assert landing_only.rows(
            f"SELECT count(*) FROM klipit.clips WHERE job_id = 'job_{tried}'"
        ) == [(1,)], file
    assert tried > 3


def test_a_package_that_can_never_load_is_dropped_and_reported(
    sandbox: Sandbox, synced: Clipmart
) -> None:
    leave_a_package(synced.data_dir, "job_1", normalized=True)
    for file in (synced.data_dir / "state" / "dlt").rglob("*.parquet"):
        file.write_bytes(b"")

    done = synced("recover")

    assert done.code == 0
    assert "klipit could not be loaded and was removed" in done.out
    assert "Nothing is damaged" in synced("recover").out
    assert synced("sync").code == 0
    assert "job_1" in str(synced.rows("SELECT id FROM klipit.jobs WHERE status = 'complete'"))
