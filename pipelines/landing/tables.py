"""The landing tables that the ledger's events fill: `submissions`, `webhook_events`, `exports`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.shared.tables import DataType, Table

if TYPE_CHECKING:
    import duckdb

SEQ = "_clipmart_seq"
"""Column of the number of the event behind a row, so how far events have landed. Not published."""

_COMMON: dict[str, DataType] = {"submission_id": "text", "origin": "text", "state": "text"}
_STAMPS: dict[str, DataType] = {
    "error": "text",
    "submitted_at": "timestamp",
    "recorded_at": "timestamp",
    "untracked_at": "timestamp",
    SEQ: "bigint",
}
_FIELDS: dict[str, dict[str, DataType]] = {
    "klipit": {
        "source_url": "text",
        "file_name": "text",
        "show_name": "text",
        "guest_name": "text",
        "description": "text",
        "platforms": "json",
    },
    "clipus": {"url": "text", "languages": "json", "title": "text", "webhook_url": "text"},
}
ID_NAME = {"klipit": "job_id", "clipus": "campaign_id"}
_VENDOR_JOB: dict[str, DataType] = {
    "job_id": "text"
}  # the POST of a campaign returns a job_id of its own

SUBMISSIONS = {
    "klipit": Table(
        "submissions",
        ("submission_id",),
        {**_COMMON, "job_id": "text", **_FIELDS["klipit"], **_STAMPS},
        parent="submission_id",
    ),
    "clipus": Table(
        "submissions",
        ("submission_id",),
        {**_COMMON, "campaign_id": "text", **_FIELDS["clipus"], **_VENDOR_JOB, **_STAMPS},
        parent="submission_id",
    ),
}
WEBHOOK_EVENTS = Table(
    "webhook_events",
    ("event_id",),
    {
        "event_id": "text",
        "event": "text",
        "job_id": "text",
        "clip_count": "bigint",
        "error": "text",
        "event_at": "timestamp",
        "received_at": "timestamp",
        SEQ: "bigint",
    },
)
EXPORTS = Table(
    "exports",
    ("export_id",),
    {
        "export_id": "text",
        "job_id": "text",
        "platform": "text",
        "format": "text",
        "state": "text",
        "export_url": "text",
        "expires_at": "timestamp",
        "requested_at": "timestamp",
        SEQ: "bigint",
    },
    parent="export_id",
)


def tracked(con: duckdb.DuckDBPyConnection, service: str) -> str:
    """The SQL condition for rows of `submissions` whose id is still tracked.

    A store or file of an earlier version has no untracked ids.
    """
    columns = con.execute(f"FROM {service}.submissions LIMIT 0").description or []
    return "untracked_at IS NULL" if "untracked_at" in {c[0] for c in columns} else "true"
