"""Publish: build beside the published file, then put it in its place in one rename.

Whoever reads keeps the file that it opened; nobody ever sees one that is half built.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import metadata
from pathlib import Path

import duckdb

from pipelines.build import LANDING_SCHEMAS, SQL, Relation, text
from pipelines.builder import Builder
from pipelines.settings import Settings
from pipelines.warehouse import attach
from sources.shared.errors import ClipmartError, FixConfiguration

PUBLICATION = Relation(
    types={"published_at": "TIMESTAMPTZ", "built_from": "VARCHAR"},
    description="One row: where this file comes from.",
    notes={
        "published_at": "When it was published (UTC instant).",
        "built_from": "Fingerprint of the loads and of the code it was built from.",
    },
)


def publish(settings: Settings, builder: Builder | None = None) -> None:
    """Build the warehouse from what is landed and make it the published file.

    Only one process may publish at a time, and nobody may hold the landing file open to write:
    the sync's lock sees to both. Killed at any point, the published file is the old or the new.

    Args:
        builder: one that may have got ready before.

    Raises:
        BuildFailed, AuditFailed: the published file is as it was.
        FixConfiguration: the data folder cannot be written.
    """
    with _writing(settings.warehouse):
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        builder = builder or Builder(settings)
        builder.build()
        _sign(builder.target, settings)
        _put(builder.target, settings.warehouse)


def export_copy(settings: Settings, file: Path) -> None:
    """Put a copy of the published file at `file`; where nothing is published, publish first.

    Raises:
        As `publish`.
    """
    if not settings.warehouse.exists():
        publish(settings)
    file = file.absolute()
    with _writing(file):
        copy = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            shutil.copyfile(settings.warehouse, copy)
            _put(copy, file)
        finally:
            copy.unlink(missing_ok=True)


def landing_fingerprint(con: duckdb.DuckDBPyConnection) -> str:
    """What a build would be made from: the completed loads, and the code that builds.

    `con` stands in the landing file, or in an empty database where there is none.
    """
    loads = []
    for schema in LANDING_SCHEMAS:
        with suppress(duckdb.CatalogException):
            counted = con.execute(
                f"SELECT COUNT(*), MAX(load_id) FROM {schema}._dlt_loads WHERE status = 0"
            ).fetchone()
            loads.append(" ".join([schema, *map(str, counted or ())]))
    return "; ".join([*loads, f"clipmart {metadata.version('clipmart')}", f"sql {_sql_digest()}"])


def published_fingerprint(warehouse: Path) -> str | None:
    """What the published file was built from; None where it is absent or cannot be read."""
    if not warehouse.exists():
        return None
    try:
        with attach(warehouse) as con:
            row = con.execute("SELECT built_from FROM clipmart.publication").fetchone()
    except (duckdb.Error, ClipmartError):
        return None
    return row[0] if row else None


def _sign(built: Path, settings: Settings) -> None:
    """Say in the file what it was built from; closed, it has no log beside it."""
    with _landing(settings.landing) as landing:
        built_from = landing_fingerprint(landing)
    columns = ", ".join(f"{name} {kind}" for name, kind in PUBLICATION.types.items())
    with duckdb.connect(str(built)) as con:
        con.execute(f"CREATE TABLE clipmart.publication ({columns})")
        con.execute(f"COMMENT ON TABLE clipmart.publication IS {text(PUBLICATION.description)}")
        for name, note in PUBLICATION.notes.items():
            con.execute(f"COMMENT ON COLUMN clipmart.publication.{name} IS {text(note)}")
        con.execute("INSERT INTO clipmart.publication VALUES (?, ?)", [settings.now(), built_from])


@contextmanager
def _landing(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(path), read_only=True) if path.exists() else duckdb.connect() as con:
        yield con


def _put(built: Path, place: Path) -> None:
    """Put a finished file in its place for good: both it and its name survive a power cut."""
    with built.open("rb") as file:
        os.fsync(file.fileno())
    # A log left by whoever opened the old file for writing and died would replay into this one.
    place.with_name(place.name + ".wal").unlink(missing_ok=True)
    built.replace(place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FixConfiguration(
            f"{file} could not be written ({error.strerror or error}). What was there is as it "
            "was, and nothing landed is lost. Make room or mend the folder's permissions, then "
            "run `clipmart publish`."
        ) from error


@cache
def _sql_digest() -> str:
    """Twelve digits that change with the SQL project."""
    digest = hashlib.sha256()
    for path in sorted(p for p in SQL.rglob("*") if p.suffix in {".sql", ".yaml", ".py"}):
        digest.update(str(path.relative_to(SQL)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]
