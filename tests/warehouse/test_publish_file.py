"""The published file: replaced whole or not at all, with a record of what it was built from."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import duckdb
import pytest

from pipelines.settings import Settings
from pipelines.warehouse import publish as publishing
from pipelines.warehouse.build import landing_fingerprint
from pipelines.warehouse.errors import AuditFailed
from pipelines.warehouse.publish import export_copy, publish, published_fingerprint
from pipelines.warehouse.read import attach
from sources.shared.errors import FixConfiguration
from tests.support.landing_data import write_landing
from tests.support.reader_rows import rows


def fingerprint_of_landing(settings: Settings) -> str:
    with duckdb.connect(str(settings.landing), read_only=True) as con:
        return landing_fingerprint(con)


def test_the_published_file_says_what_it_was_built_from(published: Settings) -> None:
    """The landing file has the same fingerprint until another load completes."""
    built_from = published_fingerprint(published)
    assert built_from == fingerprint_of_landing(published)
    with duckdb.connect(str(published.landing)) as con:
        con.execute("INSERT INTO klipit._dlt_loads VALUES ('2.0', 1)")
        assert landing_fingerprint(con) == built_from
        con.execute("UPDATE klipit._dlt_loads SET status = 0 WHERE load_id = '2.0'")
        assert landing_fingerprint(con) != built_from
    with attach(published.warehouse) as con:
        ((published_at,),) = con.execute("SELECT published_at FROM clipmart.publication").fetchall()
        assert published_at == published.now()


@pytest.mark.parametrize("content", [None, b"", b"not a database" * 1000])
def test_a_file_that_cannot_be_read_has_no_fingerprint(
    tmp_path: Path, content: bytes | None
) -> None:
    """Absent, empty or broken: it has to be published again."""
    settings = Settings(data_dir=tmp_path)
    if content is not None:
        settings.warehouse.write_bytes(content)
    assert published_fingerprint(settings) is None


def test_private_state_and_a_public_file(published_once: Settings) -> None:
    """Others may read the warehouse, and nothing else."""
    assert stat.S_IMODE(published_once.warehouse.stat().st_mode) & 0o044 == 0o044
    leftovers = [path.name for path in published_once.data_dir.iterdir()]
    assert sorted(leftovers) == ["state", "warehouse.duckdb"]


def test_publish_creates_a_private_state_folder(tmp_path: Path) -> None:
    """Even if nothing has landed yet; the file exists and is empty."""
    settings = Settings(data_dir=tmp_path / "data")
    publish(settings)
    assert stat.S_IMODE(settings.state_dir.stat().st_mode) == 0o700
    with attach(settings.warehouse) as con:
        assert con.execute("FROM reports.shareability").fetchall() == []


def test_a_failed_audit_leaves_the_published_file_unchanged(published: Settings) -> None:
    """And no other file next to it."""
    before = published.warehouse.read_bytes()
    with duckdb.connect(str(published.landing)) as con:
        con.execute("INSERT INTO klipit.jobs SELECT * FROM klipit.jobs LIMIT 1")
    with pytest.raises(AuditFailed, match=r"is_key on staging\.stg_klipit__jobs"):
        publish(published)
    assert published.warehouse.read_bytes() == before
    assert not (published.build_dir / "warehouse.duckdb").exists()


def test_a_left_over_log_is_removed_before_the_file_is_replaced(
    published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two, there is the old file without a log, never the new one with it."""
    log = published.warehouse.with_name("warehouse.duckdb.wal")
    log.write_bytes(b"of a file published before")
    seen: list[bool] = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.append(log.exists())
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    publishing._put(_copy(published, "next.duckdb"), published.warehouse)
    assert seen == [False]


def test_readers_never_see_a_file_half_replaced(published: Settings) -> None:
    """Forty replacements while a reader opens the file again and again."""
    stop = threading.Event()
    answers: list[int] = []
    errors: list[Exception] = []

    def read() -> None:
        while not stop.is_set():
            try:
                with attach(published.warehouse) as con:
                    ((jobs,),) = con.execute("SELECT COUNT(*) FROM klipit.jobs").fetchall()
                    answers.append(jobs)
            except Exception as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(40):
        publishing._put(_copy(published, "next.duckdb"), published.warehouse)
    stop.set()
    reader.join()
    assert errors == []
    assert set(answers) == {2}


def test_export_copies_the_published_file(published: Settings, tmp_path: Path) -> None:
    """It replaces an older copy whole, and removes its log."""
    file = tmp_path / "for a friend.duckdb"
    file.write_text("older")
    file.with_name(file.name + ".wal").write_text("older")
    export_copy(published, file)
    assert file.read_bytes() == published.warehouse.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", file.name]


def test_a_place_that_cannot_be_written_is_named(published: Settings, tmp_path: Path) -> None:
    """One line, what to do, and nothing lost."""
    with pytest.raises(FixConfiguration, match=r"nowhere/x\.duckdb could not be written"):
        export_copy(published, tmp_path / "nowhere" / "x.duckdb")
    assert published_fingerprint(published) is not None


def test_publish_again_shows_new_rows(published: Settings) -> None:
    """Rows that have landed since are in the new file."""
    published.landing.unlink()
    write_landing(published.landing, rows(score=60.0), load_id="2.0")
    publish(published)
    assert published_fingerprint(published) == fingerprint_of_landing(published)
    with attach(published.warehouse) as con:
        best = con.execute("SELECT best_score FROM reports.moment_types").fetchall()
        assert best == [(60.0,)]


def _copy(settings: Settings, name: str) -> Path:
    copy = settings.build_dir / name
    copy.write_bytes(settings.warehouse.read_bytes())
    return copy
