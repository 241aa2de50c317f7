"""Status: read from the ledger and the published file, so it never meets the writer's lock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .inbox import due_intents
from .ledger import Ledger
from .lock import holder
from .progress import Step
from .settings import Settings


def status(settings: Settings) -> dict[str, Any]:
    """Running sync, last runs, known ids and freshness; works before anything is published."""
    running = holder(settings.lock)
    found: dict[str, Any] = {
        "data_dir": str(settings.data_dir),
        "now": _z(settings.now()),
        "running": None if running is None else {"pid": running[0], "since": running[1]},
        "progress": None,
        "last_runs": [],
        "unknown_submissions": [],
        "published": None,
        "freshness": [],
    }
    if settings.ledger.exists():
        ledger = Ledger(settings.ledger)
        try:
            found["last_runs"] = [
                {k: run[k] for k in ("run_id", "started_at", "finished_at", "exit_code")}
                for run in ledger.runs(5)
            ]
            found["progress"] = ledger.noted("progress") if running else None
            found["unknown_submissions"] = [
                {"service": service, "submission_id": intent}
                for service in ("klipit", "clipus")
                for intent in sorted(due_intents(ledger, service))
            ]
        finally:
            ledger.close()
    if settings.warehouse.exists():
        found.update(_published(settings))
    return found


def status_lines(found: dict[str, Any]) -> list[str]:
    lines = [f"data folder: {found['data_dir']}"]
    running = found["running"]
    if running:
        lines.append(f"a sync runs: process {running['pid']}, since {running['since']}")
        lines += ["  " + Step(**step).words() for step in found["progress"] or []]
    if not found["last_runs"]:
        lines.append("no sync has run yet; run `clipmart sync`")
    for run in found["last_runs"]:
        ended = run["finished_at"] or "did not finish"
        lines.append(f"sync {run['started_at'][:19]}Z → {ended[:19]}, exit {run['exit_code']}")
    lines += [
        f"outcome unknown: {one['service']} submission {one['submission_id']}; once you know its "
        f"id, run `clipmart track {one['service']} ID --intent {one['submission_id']}`"
        for one in found["unknown_submissions"]
    ]
    if found["published"] is None:
        lines.append("nothing is published yet")
    else:
        lines.append(f"published at {found['published']}")
    for table in found["freshness"]:
        age = table["hours_old"]
        lines.append(
            f"  {table['table_name']:<28} {table['row_count']:>9} rows"
            + ("" if age is None else f", last seen {age:.1f} h ago")
        )
    return lines


def _published(settings: Settings) -> dict[str, Any]:
    from .warehouse import open_published

    with open_published(settings) as con:
        at = con.execute("SELECT published_at FROM clipmart.publication").fetchone()
        rows = con.execute(
            "SELECT table_name, row_count, last_observed_at, hours_old FROM reports.freshness"
        ).fetchall()
    return {
        "published": _z(at[0]) if at else None,
        "freshness": [
            {
                "table_name": name,
                "row_count": count,
                "last_observed_at": _z(seen) if seen else None,
                "hours_old": age,
            }
            for name, count, seen, age in rows
        ],
    }


def _z(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
