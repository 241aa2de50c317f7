"""Machines that share a lake, on the suite's own PostgreSQL server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.settings import load_settings
from pipelines.warehouse.read import open_published
from sandbox import Sandbox
from tests.support.clipmart import NOW, Clipmart
from tests.support.postgres import new_database

# As the contract lists them.
REPORTS = (
    *("moment_types", "shareability", "video_readiness", "credit_usage", "top_clips"),
    *("shareability_weekly", "video_readiness_by_platform", "video_quota", "job_turnaround"),
    *("freshness", "clips", "to_post", "guests", "shareability_monthly", "show_costs"),
    *("failures", "last_7_days"),
)


@dataclass
class Shared:
    """What machines share: the settings that name it."""

    environ: dict[str, str]

    def machine(self, folder: Path, sandbox: Sandbox) -> Clipmart:
        """The command line of one of the machines, with a data folder of its own."""
        folder.mkdir()
        keys = {
            "KLIPIT_BASE_URL": sandbox.klipit_url,
            "CLIPUS_BASE_URL": sandbox.clipus_url,
            "KLIPIT_API_KEY": "klipit_sk_sandbox",
            "CLIPUS_API_KEY": "sk_live_sandbox",
            "CLIPMART_MINUTE_SECONDS": str(sandbox.limits.minute_seconds),
            "CLIPMART_NOW": NOW,
        }
        return Clipmart(folder, keys | self.environ)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of what readers see in the lake."""
        with open_published(load_settings(self.environ)) as con:
            return con.execute(sql).fetchall()


def shared_lake(empty_lake: str, files: str, **more: str) -> Shared:
    """A copy of the empty lake, whose files will lie elsewhere."""
    import psycopg

    database = new_database(empty_lake.rpartition("/")[0], like=empty_lake.rpartition("/")[2])
    with psycopg.connect(database, autocommit=True) as con:
        con.execute(
            "UPDATE clipmart_landing.ducklake_metadata SET value = %s WHERE key = 'data_path'",
            (f"{files}/landing/",),
        )
    return Shared(
        {
            "CLIPMART_DESTINATION": "ducklake",
            "CLIPMART_LAKE_CATALOG": database,
            "CLIPMART_LAKE_FILES": files,
            "CLIPMART_NOW": NOW,
            **more,
        }
    )
