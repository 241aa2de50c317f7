"""The tables of every landing schema: a service's own, and those of the runs and rejections."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.service import RUNS, SERVICES
from sources.shared.chunks import REJECTED_RECORDS
from sources.shared.tables import Row, Table
from sources.shared.values import DataType

if TYPE_CHECKING:
    import duckdb

TYPES: dict[DataType, str] = {
    "text": "VARCHAR",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "json": "JSON",
}
"""DuckDB's names of the columns' types."""

SYNC_RUNS = Table(
    "sync_runs",
    ("run_id",),
    "One row per sync; one that landed nothing appears with the next that does.",
    {
        "run_id": ("text", "Key of the run."),
        "started_at": ("timestamp", "When it began (UTC instant)."),
        "finished_at": ("timestamp", "When it ended (UTC instant); NULL if it was killed."),
        "exit_code": (
            "bigint",
            "0 done, 1 some failed, 3 configuration, 75 try again later; NULL if it was killed.",
        ),
        "requests": ("bigint", "Requests sent."),
        "rows": ("bigint", "Rows landed."),
        "rejected": ("bigint", "Records saved in clipmart.rejected_records."),
    },
)


def tables_of(schema: str) -> tuple[Table, ...]:
    """The landing tables of a schema, as this version declares them."""
    return (SYNC_RUNS, REJECTED_RECORDS) if schema == RUNS else SERVICES[schema].tables


def inbox_tables(service: str) -> tuple[Table, ...]:
    """The tables that the ledger's events fill."""
    return (SERVICES[service].submissions, *SERVICES[service].events)


def tracked(con: duckdb.DuckDBPyConnection, service: str) -> str:
    """The SQL condition for rows of `submissions` whose id is still tracked.

    A store or file of an earlier version has no untracked ids.
    """
    columns = con.execute(f"FROM {service}.submissions LIMIT 0").description or []
    return "untracked_at IS NULL" if "untracked_at" in {c[0] for c in columns} else "true"


def sync_run_rows(runs: list[dict[str, Any]]) -> list[Row]:
    """Finished runs of the run log as `clipmart.sync_runs` rows."""
    rows = []
    for run in runs:
        if run["finished_at"] is None:
            continue
        services = (run["result"] or {}).get("services", {}).values()
        rows.append(
            {
                "run_id": run["run_id"],
                "started_at": datetime.fromisoformat(run["started_at"]),
                "finished_at": datetime.fromisoformat(run["finished_at"]),
                "exit_code": run["exit_code"],
                "requests": sum(service["requests"] for service in services),
                "rows": sum(sum(service["loaded"].values()) for service in services),
                "rejected": sum(service["rejected"] for service in services),
            }
        )
    return rows
