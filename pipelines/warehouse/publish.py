"""Publish: build next to the published file, then put it in its place in one rename.

A reader goes on in the file that it opened; none ever sees one that is half built.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from pipelines import disk
from pipelines.files import replacing, sync_folder
from pipelines.settings import Lake, Settings
from sources.shared.errors import ClipmartError, FixConfiguration

from . import only_copy
from .build import build, contents, refuse_other_contents, remove_database
from .read import attach, open_published

TIDIED = "lake tidied at"
COPIED_BYTES = 1 << 20


def publish(settings: Settings, *, if_changed: bool = False) -> bool:
    """Build the warehouse from what has landed and publish it.

    Only one process may publish at a time, and nobody may hold the landing file open to write:
    the sync's lock sees to both. Killed at any point, the published file is the old or the new.

    Args:
        if_changed: in a lake, leave it if another machine has just published what has landed.

    Returns:
        Whether it was published.

    Raises:
        BuildFailed, AuditFailed: the published file is as it was.
        LandingLacksIds: what has landed lacks ids that the published file has; the file stays.
        FixConfiguration: the data folder cannot be written.
        DiskFull: there is no room for another file.
    """
    if settings.lake is not None:
        return _publish_to_lake(settings, settings.lake, if_changed=if_changed)
    with _writing(settings.warehouse):
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings.build_dir.mkdir(mode=0o700, exist_ok=True)
        built = settings.build_dir / "warehouse.duckdb"
        try:
            build(settings.landing, built, settings.now())
            if settings.warehouse.exists():
                only_copy.refuse_a_file_with_less(built, settings.warehouse)
                only_copy.save(settings)
            _put(built, settings.warehouse)
        finally:
            remove_database(built)
        only_copy.forget_older(settings)
    return True


def _publish_to_lake(settings: Settings, lake: Lake, *, if_changed: bool) -> bool:
    from pipelines.ledger.ledger import open_ledger

    from .lake import publish as publish_to_lake
    from .lake import tidy

    with closing(open_ledger(settings)) as ledger, ledger.alone("publish"):
        published = publish_to_lake(settings, lake, ledger.alone, if_changed=if_changed)
        now = settings.now()
        tidied = ledger.read_note(TIDIED)
        # An instant ahead is of a clock that was wrong.
        if tidied is None or not now - timedelta(days=1) <= datetime.fromisoformat(tidied) <= now:
            with ledger.alone("landing"):
                tidy(lake)
            ledger.note(TIDIED, now.isoformat())
    return published


def export_copy(settings: Settings, file: Path) -> None:
    """Put a copy of the published file at `file`; if nothing is published, publish first.

    From a lake the file is built again, from what has landed by now.

    Raises:
        As `publish`.
    """
    if settings.lake is None and not settings.warehouse.exists():
        publish(settings)
    file = file.absolute()
    with _writing(file):
        source = settings.warehouse
        try:
            if settings.lake is not None:
                source = _build_from_lake(settings, settings.lake)
            with attach(source) as con:
                held = contents(con)
            with source.open("rb") as published, replacing(file) as copy:
                shutil.copyfileobj(published, copy, COPIED_BYTES)
                copy.flush()
                refuse_other_contents(Path(copy.name), held)
                _remove_log(file)
        finally:
            if settings.lake is not None:
                remove_database(source)


def _build_from_lake(settings: Settings, lake: Lake) -> Path:
    from .lake import copy_landing

    settings.build_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    landing, built = (settings.build_dir / f"{name}.duckdb" for name in ("landing", "warehouse"))
    try:
        remove_database(landing)
        copy_landing(lake, landing)
        build(landing, built, settings.now())
        return built
    finally:
        remove_database(landing)


def published_fingerprint(settings: Settings) -> str | None:
    """What the published file was built from; None if it is absent or cannot be read."""
    if settings.lake is not None:
        from .lake import published_from

        return published_from(settings.lake)
    try:
        with open_published(settings) as con:
            row = con.execute("SELECT built_from FROM clipmart.publication").fetchone()
    except (duckdb.Error, ClipmartError):
        return None
    return row[0] if row else None


def _put(built: Path, place: Path) -> None:
    """Put a finished file in its place for good: both it and its name survive a power cut."""
    with built.open("rb") as file:
        os.fsync(file.fileno())
    _remove_log(place)
    built.replace(place)
    sync_folder(place.parent)


def _remove_log(place: Path) -> None:
    """Remove the log of a program that opened the old file for writing and died.

    It would be replayed into the new file.
    """
    place.with_name(place.name + ".wal").unlink(missing_ok=True)


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if disk.is_full(error):
            raise disk.disk_full(file) from error
        raise FixConfiguration(
            f"{file} could not be written ({error.strerror or error}). What was there is as it "
            "was, and nothing landed is lost. Make room or correct the folder's permissions, then "
            "run `clipmart publish`."
        ) from error
