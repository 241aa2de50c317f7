"""Status: read from the ledger and the published file, so it never meets the writer's lock."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.landing.inbox import unknown_intents
from pipelines.landing.store import bound
from pipelines.landing.tables import tracked
from pipelines.ledger.ledger import AHEAD, Ledger, open_ledger
from pipelines.ledger.lock import holder, receiver
from pipelines.output import printable
from pipelines.service import SERVICES
from pipelines.settings import Settings
from pipelines.sync.eta import seconds_needed
from pipelines.sync.progress import Step, in_words
from pipelines.sync.worklist import due_ids
from pipelines.warehouse.read import NotPublished, open_published
from sources.shared.due import Due
from sources.shared.slots import RateSlots

from .attention import failures, rejected_counts
from .checks import Check, Level, ago, assess, check_lines, table_level, worst_level

if TYPE_CHECKING:
    import duckdb

RUNS = 5


def status(settings: Settings) -> dict[str, Any]:
    """Everything that `clipmart status --json` tells; works before anything is published.

    It only reads, also where the data folder is read-only.

    Raises:
        TryAgainLater, FixConfiguration: the ledger or the published file cannot be opened.
    """
    running = holder(settings.lock)
    found: dict[str, Any] = {
        "data_dir": str(settings.data_dir),
        "now": _z(settings.now()),
        "level": "ok",
        "running": None if running is None else {"pid": running[0], "since": running[1]},
        "progress": None,
        "last_runs": [],
        "runs_ahead": 0,
        "services": {},
        "unknown_submissions": [],
        "published": None,
        "freshness": [],
        "credits": None,
        "quota": None,
        "audit_findings": [],
        "rejected": {"records": 0, "not_found": 0, "fields": 0},
        "disk": disk_space(settings),
        "receiver": receiver(settings.receiver),
    }
    with ExitStack() as stack:
        ledger = con = None
        if settings.ledger_database or settings.ledger.exists():
            ledger = stack.enter_context(closing(open_ledger(settings, read_only=True)))
            found["last_runs"] = [_run(run) for run in ledger.runs(settings.now(), RUNS)]
            found["runs_ahead"] = ledger.runs_ahead(settings.now())
            found["progress"] = ledger.noted("progress") if running else None
            found["unknown_submissions"] = [
                {"service": service, "submission_id": intent}
                for service in SERVICES
                for intent in sorted(unknown_intents(ledger, service))
            ]
        with suppress(NotPublished):
            con = stack.enter_context(open_published(settings))
            found.update(_published(con, settings.now()))
        for name in SERVICES:
            service = _service(settings, name, ledger, con, found["published"])
            if service["has_key"] or service["known"]:
                found["services"][name] = service
    for table in found["freshness"]:
        table["level"] = table_level(table["table_name"], table["row_count"], found)
    checks = assess(found)
    found["level"] = worst_level(check.level for check in checks)
    found["checks"] = [check.as_json() for check in checks]
    return found


def disk_space(settings: Settings) -> dict[str, int]:
    """Bytes that are free where the data folder is or will be, and bytes stored in it."""
    files = (settings.warehouse, settings.landing, settings.ledger)
    return {
        "free_bytes": shutil.disk_usage(existing(settings.data_dir)).free,
        "stored_bytes": sum(file.stat().st_size for file in files if file.exists()),
    }


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())


def status_lines(
    found: dict[str, Any], width: int = 80, paint: Callable[[Level], str] = str
) -> list[str]:
    """The same for a terminal, what is not well last."""
    lines = [f"data folder  {printable(found['data_dir'])}"]
    if found["published"] is None:
        lines.append("published    nothing yet")
    else:
        age = _hours(found["published"], found["now"])
        lines.append(f"published    {_minute(found['published'])}, {ago(age)}")
    if running := found["running"]:
        since = f", since {_minute(running['since'])}" if running["since"] else ""
        lines.append(f"running      process {running['pid'] or 'unknown'}{since}")
        lines += [f"             {Step(**step).words()}" for step in found["progress"] or []]
    if not found["last_runs"]:
        lines.append("last syncs   none yet; run `clipmart sync`")
    for number, run in enumerate(found["last_runs"]):
        told = "has not finished"
        if run["finished_at"]:
            took = _hours(run["started_at"], run["finished_at"]) * 3600
            told = f"exit {run['exit_code']}, took {in_words(took) if took >= 1 else 'under 1 s'}"
        title = "" if number else "last syncs"
        lines.append(f"{title:<12} {_minute(run['started_at'])}  {told}")
    if found["services"]:
        lines += ["", "service     known      open       due  asked for in"]
    for name, one in found["services"].items():
        eta = "" if not one["due"] else in_words(one["eta_seconds"]) if one["has_key"] else "no key"
        counts = f"{one['known']:>9,} {one['open']:>9,} {one['due']:>9,}"
        lines.append(f"{name:<7} {counts}  {eta}".rstrip())
    tables = [table for table in found["freshness"] if table["row_count"]]
    if tables:
        lines += ["", f"{'table':<28} {'rows':>11}  last row"]
    for table in tables:
        last = "" if table["hours_old"] is None else ago(table["hours_old"])
        name = printable(table["table_name"])
        level = paint(table["level"]) if table["level"] else ""
        lines.append(f"{name:<28} {table['row_count']:>11,}  {last:<15} {level}".rstrip())
    checks = [
        Check(one["name"], one["level"], one["told"], one["remedy"] or "")
        for one in found["checks"]
    ]
    return [*lines, "", *check_lines(checks, width, paint)]


def _run(run: dict[str, Any]) -> dict[str, Any]:
    result = run["result"] or {}
    services = result.get("services", {}).items()
    errors = {"sync": result.get("error")} | {name: one.get("error") for name, one in services}
    told = {k: run[k] for k in ("run_id", "started_at", "finished_at", "exit_code")}
    return told | {
        "rejected": sum(one.get("rejected", 0) for _, one in services),
        "errors": {name: error for name, error in errors.items() if error},
    }


def _service(
    settings: Settings,
    name: str,
    ledger: Ledger | None,
    con: duckdb.DuckDBPyConnection | None,
    published: str | None,
) -> dict[str, Any]:
    """What is known, open and due of one service, and how long asking for it takes.

    That is the worklist's rules on the published file, and the ids that the ledger was told since.
    """
    now, key, id_name = settings.now(), settings.api_key(name), SERVICES[name].id_name
    told: dict[str, set[str]] = {}
    calls: dict[str, datetime] = {}
    synced = None
    slots = RateSlots.in_memory()
    if ledger is not None:
        published_at = datetime.fromisoformat(published) if published else None
        told = ledger.ids_since(name, id_name, published_at, now)
        events = ledger.events(name, kinds=("due",))
        calls = {event.subject: event.recorded_at for event in events if event.subject}
        synced = ledger.last_synced(name, now)
        slots = ledger.slots(settings.minute_seconds)
    known, unsettled, stuck = 0, 0, None
    due: dict[str, Due] = {}
    gone = {id_ for id_, kinds in told.items() if "untrack" in kinds}
    if con is not None:
        due = {item.id: item for item in due_ids(con, name, now, calls, published=True)}
        known, unsettled, stuck = con.execute(
            bound(
                f"""SELECT count(*), count(*) FILTER (NOT COALESCE(settled, {id_name} IN (
                        SELECT id FROM clipmart.rejected_records
                        WHERE source = '{name}' AND reason = 'not_found'))),
                      list({id_name} ORDER BY {id_name}) FILTER (stuck)
                    FROM (SELECT DISTINCT {id_name} FROM {name}.submissions
                          WHERE {tracked(con, name)})
                    LEFT JOIN {SERVICES[name].progress_view} USING ({id_name})
                    WHERE {id_name} IS NOT NULL
                      AND {id_name} NOT IN (SELECT unnest($gone::VARCHAR[]))""",
                gone=gone,
            )
        ).fetchone() or (0, 0, None)
    published_ids: dict[str, bool] = {}
    if con is not None and told:
        rows = con.execute(f"SELECT {id_name}, {tracked(con, name)} FROM {name}.submissions")
        published_ids = dict(rows.fetchall())
    # An event does not bring back an id that was untracked.
    new = {
        id_
        for id_, kinds in told.items()
        if not published_ids.get(id_) and (id_ not in published_ids or kinds != {"webhook"})
    }
    polled = {id_ for id_, kinds in told.items() if "webhook" in kinds and published_ids.get(id_)}
    new, polled = new - gone, polled - gone
    due = {id_: item for id_, item in due.items() if id_ not in gone}
    due |= {id_: Due(id_) for id_ in told if id_ in new | polled}
    needed = SERVICES[name].requests_needed(key or "", due.values())
    return {
        "has_key": key is not None,
        "known": known + len(new),
        "open": unsettled + len(new),
        "due": len(due),
        "stuck": stuck or [],
        "failed": failures(con, name) if con is not None else None,
        "eta_seconds": seconds_needed(slots, needed) if key else None,
        "last_synced_at": _z(synced) if synced else None,
        "hours_since_sync": max(_hours(_z(synced), _z(now)), 0.0) if synced else None,
    }


def _published(con: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, Any]:
    """What the published file tells, counted from now."""
    credits = _dicts(
        con,
        f"""SELECT balance, origin, observed_at AS told_at, burn_7d, days_left
            FROM staging.stg_klipit__balances, (
              SELECT burn_7d, days_left FROM reports.credit_usage
              WHERE balance_close IS NOT NULL AND day <= DATE '{now:%Y-%m-%d}'
              ORDER BY day DESC LIMIT 1)
            WHERE observed_at <= TIMESTAMPTZ '{_z(now + AHEAD)}'
            ORDER BY observed_at DESC LIMIT 1""",
    )
    for one in credits:
        one["hours_old"] = max(_hours(one["told_at"], _z(now)), 0.0)
    month = f"DATE '{now:%Y-%m-01}'"
    return {
        "published": _dicts(con, "SELECT published_at FROM clipmart.publication")[0][
            "published_at"
        ],
        "freshness": _dicts(
            con,
            "SELECT table_name, row_count, last_observed_at, hours_old FROM reports.freshness",
        ),
        "credits": credits[0] if credits else None,
        "quota": next(iter(_dicts(con, f"FROM reports.video_quota WHERE month = {month}")), None),
        "audit_findings": _dicts(
            con, "FROM staging.audit_findings WHERE rows > 0 ORDER BY finding"
        ),
        "rejected": rejected_counts(con),
    }


def _dicts(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """Rows by column name, days and instants as ISO 8601."""
    con.execute(sql)
    names = [column[0] for column in con.description or []]
    return [
        dict(zip(names, (_z(v) if isinstance(v, date) else v for v in row), strict=True))
        for row in con.fetchall()
    ]


def _hours(since: str, until: str) -> float:
    """Hours between two instants in ISO 8601; below 0 if the first is the later one."""
    apart = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    return apart.total_seconds() / 3600


def _minute(instant: str) -> str:
    return f"{instant[:10]} {instant[11:16]}Z"


def _z(value: date) -> str:
    if not isinstance(value, datetime):
        return value.isoformat()
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
