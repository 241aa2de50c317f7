"""Status: read from the ledger and the published file, so it never meets the writer's lock."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.landing.inbox import unknown_intents
from pipelines.landing.store import bound
from pipelines.landing.tables import tracked
from pipelines.ledger.ledger import AHEAD, Ledger, open_ledger
from pipelines.ledger.lock import lock_holder, receiver_facts
from pipelines.output import printable, utc_text
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
    """Everything that `clipmart status --json` prints; works before anything is published.

    It only reads, so a read-only data folder will do.

    Raises:
        TryAgainLater, FixConfiguration: the ledger or the published file cannot be opened.
    """
    running = lock_holder(settings.lock)
    facts: dict[str, Any] = {
        "data_dir": str(settings.data_dir),
        "now": _z(settings.now()),
        "level": "ok",
        "limits": asdict(settings.limits),
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
        "receiver": receiver_facts(settings.receiver),
    }
    with ExitStack() as stack:
        ledger = con = None
        if settings.ledger_database or settings.ledger.exists():
            ledger = stack.enter_context(closing(open_ledger(settings, read_only=True)))
            facts["last_runs"] = [_run(run) for run in ledger.runs(settings.now(), RUNS)]
            facts["runs_ahead"] = ledger.runs_ahead(settings.now())
            facts["progress"] = ledger.read_note("progress") if running else None
            facts["unknown_submissions"] = [
                {"service": service, "submission_id": intent}
                for service in SERVICES
                for intent in sorted(unknown_intents(ledger, service))
            ]
        with suppress(NotPublished):
            con = stack.enter_context(open_published(settings))
            facts.update(_published(con, settings.now()))
        for name in SERVICES:
            service = _service(settings, name, ledger, con, facts["published"])
            if service["has_key"] or service["known"]:
                facts["services"][name] = service
    for table in facts["freshness"]:
        table["level"] = table_level(table["table_name"], table["row_count"], facts)
    checks = assess(facts)
    facts["level"] = worst_level(check.level for check in checks)
    facts["checks"] = [check.as_json() for check in checks]
    return facts


def disk_space(settings: Settings) -> dict[str, int]:
    """Bytes free on the data folder's disk (`free_bytes`), and stored in it (`stored_bytes`)."""
    files = (settings.warehouse, settings.landing, settings.ledger)
    return {
        "free_bytes": shutil.disk_usage(nearest_existing(settings.data_dir)).free,
        "stored_bytes": sum(file.stat().st_size for file in files if file.exists()),
    }


def nearest_existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def status_lines(
    facts: dict[str, Any], width: int = 80, paint: Callable[[Level], str] = str
) -> list[str]:
    """The same for a terminal, with what needs attention last.

    Args:
        facts: what `status` returned.
        width: columns of the terminal.
        paint: colours a level.
    """
    lines = [f"data folder  {printable(facts['data_dir'])}"]
    if facts["published"] is None:
        lines.append("published    nothing yet")
    else:
        age = _hours(facts["published"], facts["now"])
        lines.append(f"published    {_minute(facts['published'])}, {ago(age)}")
    if running := facts["running"]:
        since = f", since {_minute(running['since'])}" if running["since"] else ""
        lines.append(f"running      process {running['pid'] or 'unknown'}{since}")
        lines += [f"             {Step(**step).words()}" for step in facts["progress"] or []]
    if not facts["last_runs"]:
        lines.append("last syncs   none yet; run `clipmart sync`")
    for number, run in enumerate(facts["last_runs"]):
        outcome = "has not finished"
        if run["finished_at"]:
            seconds = _hours(run["started_at"], run["finished_at"]) * 3600
            duration = in_words(seconds) if seconds >= 1 else "under 1 s"
            outcome = f"exit {run['exit_code']}, took {duration}"
        title = "" if number else "last syncs"
        lines.append(f"{title:<12} {_minute(run['started_at'])}  {outcome}")
    if facts["services"]:
        lines += ["", "service     known      open       due  fetched in"]
    for name, service in facts["services"].items():
        eta = ""
        if service["due"]:
            eta = in_words(service["eta_seconds"]) if service["has_key"] else "no key"
        counts = f"{service['known']:>9,} {service['open']:>9,} {service['due']:>9,}"
        lines.append(f"{name:<7} {counts}  {eta}".rstrip())
    tables = [table for table in facts["freshness"] if table["row_count"]]
    if tables:
        lines += ["", f"{'table':<28} {'rows':>11}  last row"]
    for table in tables:
        last = "" if table["hours_old"] is None else ago(table["hours_old"])
        name = printable(table["table_name"])
        level = paint(table["level"]) if table["level"] else ""
        lines.append(f"{name:<28} {table['row_count']:>11,}  {last:<15} {level}".rstrip())
    checks = [
        Check(check["name"], check["level"], check["message"], check["remedy"] or "")
        for check in facts["checks"]
    ]
    return [*lines, "", *check_lines(checks, width, paint)]


def _run(run: dict[str, Any]) -> dict[str, Any]:
    result = run["result"] or {}
    services = result.get("services", {})
    errors = {"sync": result.get("error")} | {n: s.get("error") for n, s in services.items()}
    return {
        **{name: run[name] for name in ("run_id", "started_at", "finished_at", "exit_code")},
        "rejected": sum(service.get("rejected", 0) for service in services.values()),
        "errors": {name: error for name, error in errors.items() if error},
    }


def _service(
    settings: Settings,
    name: str,
    ledger: Ledger | None,
    con: duckdb.DuckDBPyConnection | None,
    published: str | None,
) -> dict[str, Any]:
    """What is known, open and due of one service, and how long fetching what is due takes.

    By the worklist's rules on the published file, and the ids that the ledger recorded since.
    """
    now, key, id_name = settings.now(), settings.api_key(name), SERVICES[name].id_name
    recorded: dict[str, set[str]] = {}
    calls: dict[str, datetime] = {}
    synced = None
    slots = RateSlots.in_memory()
    if ledger is not None:
        published_at = datetime.fromisoformat(published) if published else None
        recorded = ledger.ids_since(name, id_name, published_at, now)
        events = ledger.events(name, kinds=("due",))
        calls = {event.subject: event.recorded_at for event in events if event.subject}
        synced = ledger.last_synced(name, now)
        slots = ledger.slots(settings.minute_seconds)
    known, unsettled, stuck = 0, 0, None
    due: dict[str, Due] = {}
    untracked = {id_ for id_, kinds in recorded.items() if "untrack" in kinds}
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
                      AND {id_name} NOT IN (SELECT unnest($untracked::VARCHAR[]))""",
                untracked=untracked,
            )
        ).fetchone() or (0, 0, None)
    published_ids: dict[str, bool] = {}
    if con is not None and recorded:
        rows = con.execute(
            bound(
                f"""SELECT {id_name}, {tracked(con, name)} FROM {name}.submissions
                    WHERE {id_name} IN (SELECT unnest($recorded))""",
                recorded=recorded,
            )
        )
        published_ids = dict(rows.fetchall())
    # An event does not bring back an id that was untracked.
    new = {
        id_
        for id_, kinds in recorded.items()
        if not published_ids.get(id_) and (id_ not in published_ids or kinds != {"webhook"})
    } - untracked
    changed = {id_ for id_, kinds in recorded.items() if "webhook" in kinds} - untracked
    due = {id_: item for id_, item in due.items() if id_ not in untracked}
    due |= {
        id_: Due(id_)
        for id_ in recorded
        if id_ in new or (id_ in changed and published_ids.get(id_))
    }
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
    """The facts in the published file; ages are counted from now."""
    credits = _dicts(
        con,
        f"""SELECT balance, origin, observed_at, burn_7d, days_left
            FROM staging.stg_klipit__balances, (
              SELECT burn_7d, days_left FROM reports.credit_usage
              WHERE balance_close IS NOT NULL AND day <= DATE '{now:%Y-%m-%d}'
              ORDER BY day DESC LIMIT 1)
            WHERE observed_at <= TIMESTAMPTZ '{_z(now + AHEAD)}'
            ORDER BY observed_at DESC LIMIT 1""",
    )
    for row in credits:
        row["hours_old"] = max(_hours(row["observed_at"], _z(now)), 0.0)
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
    """Rows by column name, with days and instants in ISO 8601."""
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
    return utc_text(value) if isinstance(value, datetime) else value.isoformat()
