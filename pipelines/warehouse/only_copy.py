"""The published file is the only copy of ids that no API can list again.

Before another file replaces it, every id in it is looked up in the new one, and it is saved in
`state/published/`.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipelines.ledger.ledger import make_private
from pipelines.settings import Settings
from sources.shared.errors import FixConfiguration, TryAgainLater

from .catalog import literal
from .errors import LandingLacksIds
from .read import attach

IDS = (
    ("klipit.jobs", "id", "true"),
    ("klipit.clip_reads", "job_id", "true"),
    ("klipit.job_observations", "observation_id", "true"),
    ("klipit.submissions", "job_id", "true"),
    ("klipit.webhook_events", "event_id", "true"),
    ("klipit.exports", "export_id", "export_url IS NOT NULL"),
    ("klipit.account_snapshots", "observed_at", "origin = 'api'"),
    ("clipus.campaigns", "campaign_id", "true"),
    ("clipus.campaign_observations", "observation_id", "true"),
    ("clipus.video_observations", "observation_id", "true"),
    ("clipus.submissions", "campaign_id", "true"),
    ("clipus.plan_observations", "observed_at", "true"),
    ("clipmart.sync_runs", "run_id", "true"),
)
"""Columns whose values never vanish, and of which rows.

Absent are clips and videos, which each read replaces; rejected records, which a replay removes;
exports that were never ready and balances noted by hand, which may be taken back; and the ids of
submissions without a job or campaign, since a submission is merged into another that turns out to
be the same.
"""


def lacking(con: duckdb.DuckDBPyConnection, old: str, new: str) -> dict[str, int]:
    """How many ids of the attached database `old` are absent from `new`, by landing table."""
    columns = {
        database: set(
            con.execute(
                f"""SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns()
                    WHERE database_name = '{database}'"""
            ).fetchall()
        )
        for database in (old, new)
    }
    absent = {}
    for table, column, which in IDS:
        if (table, column) not in columns[old]:
            continue  # published by an earlier version
        gone = (
            f"WHERE {column} NOT IN (SELECT {column} FROM {new}.{table} WHERE {column} NOTNULL)"
            if (table, column) in columns[new]
            else ""
        )
        (ids,) = con.execute(
            f"""SELECT count(DISTINCT {column})
                FROM (SELECT {column} FROM {old}.{table} WHERE {which}) {gone}"""
        ).fetchone() or (0,)
        if ids:
            absent[table] = ids
    return absent


def refuse_to_lose(absent: dict[str, int], published: Path) -> None:
    """Refuse to publish without ids that are published now.

    Args:
        absent: landing table → how many of its ids are absent.

    Raises:
        LandingLacksIds: something is absent.
    """
    if absent:
        listed = ", ".join(f"{ids} of {table}" for table, ids in absent.items())
        raise LandingLacksIds(
            f"The landing store lacks ids that {published} holds ({listed}), and no API can list "
            "them again. Nothing was published; that file is unchanged. Run `clipmart recover`, "
            "which lands them again from that file, then `clipmart sync`."
        )


def refuse_a_landing_with_less(con: duckdb.DuckDBPyConnection, published: Path) -> None:
    """Compare the open landing store with the published file before anything is requested.

    Attached to the landing store's own connection: the file may be opened in one way only.

    Raises:
        LandingLacksIds: it lacks ids.
    """
    (landing,) = con.execute("SELECT current_database()").fetchone() or ("landing",)
    try:
        con.execute(f"ATTACH {literal(str(published))} AS published (READ_ONLY)")
    except duckdb.Error:
        return  # held by another program or damaged; compared again before the rename
    try:
        absent = lacking(con, "published", landing)
    finally:
        con.execute("DETACH published")
    refuse_to_lose(absent, published)


def refuse_a_file_with_less(built: Path, published: Path) -> None:
    """Compare a built file with the published one that it is to replace.

    A published file that cannot be read holds nothing that could be compared.

    Raises:
        LandingLacksIds: it lacks ids.
    """
    copy = built.with_name("published.duckdb")
    try:
        try:
            con = attach(published, locked_down=False)
        except TryAgainLater:  # a program holds it open to write; a copy is free
            shutil.copyfile(published, copy)
            con = attach(copy, locked_down=False)
    except FixConfiguration:
        return
    finally:
        copy.unlink(missing_ok=True)
    with con:
        con.execute(f"ATTACH {literal(str(built))} AS built (READ_ONLY)")
        absent = lacking(con, "warehouse", "built")
    refuse_to_lose(absent, published)


def save(settings: Settings) -> None:
    """Save the published file, which is about to be replaced, under the instant it was written.

    A hard link if the file system has them; else a copy.
    """
    if not settings.keep_published or not settings.warehouse.exists():
        return
    make_private(settings.saved_dir)
    written = datetime.fromtimestamp(settings.warehouse.stat().st_mtime, UTC)
    place = settings.saved_dir / f"warehouse-{written:%Y%m%dT%H%M%S.%fZ}.duckdb"
    if place.exists():
        return  # a publish that was killed had come as far as this
    try:
        place.hardlink_to(settings.warehouse)
    except OSError:
        part = place.with_suffix(".part")
        try:
            shutil.copy2(settings.warehouse, part)
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)


def forget_older(settings: Settings) -> None:
    """Remove all but the last saved files, and close those to everybody else.

    Only after the rename: until then a saved file may be the published one by another name.
    """
    files = saved(settings)
    for file in files[settings.keep_published :]:
        file.unlink(missing_ok=True)
    for file in files[: settings.keep_published]:
        file.chmod(0o600)


def saved(settings: Settings) -> list[Path]:
    """The saved published files, the latest first."""
    return sorted(settings.saved_dir.glob("warehouse-*.duckdb"), reverse=True)
