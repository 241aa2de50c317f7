"""Health: the thresholds, and how facts are judged by them.

Thresholds that depend on the operator's habits are settings (`Limits`), and come with the facts.
Nothing is read or requested here: `status` gathers the facts, `doctor` adds what it finds out, and
`sync --notify` posts what changed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal
from unicodedata import east_asian_width

from pipelines.output import counted, printable
from pipelines.program import named
from pipelines.service import SERVICES
from pipelines.settings import Limits
from pipelines.sync.result import worst

from .attention import rejected_in_sync, rejected_words

Level = Literal["ok", "warn", "fail"]
LEVELS: tuple[Level, ...] = ("ok", "warn", "fail")

# (warns, fails) above these.
BALANCE_HOURS = (26.0, None)  # the API's lands once a UTC day
HAND_BALANCE_HOURS = (7 * 24.0, None)
CLOCK_SECONDS = (30.0, 3600.0)  # the worklist counts in steps of 15 s and up
RUNNING_HOURS = (24.0, None)  # a backfill of 80,000 jobs ends in less
# (warns, fails) below these.
FREE_COPIES = (3.0, 1.0)  # in sizes of what is stored: a build writes all of it again

SHOWN_ITEMS = 3


@dataclass(frozen=True)
class Check:
    """One line of `status` or `doctor`."""

    name: str
    level: Level
    message: str
    remedy: str = ""
    """What to do, with the exact command or variable."""
    fails_with: int = 1
    """The exit code if it fails."""
    items: tuple[str, ...] = ()
    """What it is about, such as the ids that are stuck: a new one is worth a notification."""

    @property
    def exit_code(self) -> int:
        """`fails_with` if it fails, else 0."""
        return self.fails_with if self.level == "fail" else 0

    def as_json(self) -> dict[str, Any]:
        """name, level, message, remedy (None without one) and items."""
        return {
            "name": self.name,
            "level": self.level,
            "message": self.message,
            "remedy": self.remedy or None,
            "items": list(self.items),
        }


def level_above(value: float, limits: tuple[float | None, float | None]) -> Level:
    """The level of a value that is bad if it is high; limits as (warns, fails)."""
    warns, fails = limits
    if fails is not None and value > fails:
        return "fail"
    return "warn" if warns is not None and value > warns else "ok"


def level_below(value: float, limits: tuple[float, float]) -> Level:
    """The level of a value that is bad if it is low; limits as (warns, fails)."""
    warns, fails = limits
    return "fail" if value < fails else "warn" if value < warns else "ok"


def worst_level(levels: Iterable[Level]) -> Level:
    """The worst of some levels; "ok" if there are none."""
    return max(levels, key=LEVELS.index, default="ok")


def exit_code(checks: Iterable[Check]) -> int:
    """The first of 3, 75, 1 and 0 that some check has."""
    return worst(check.exit_code for check in checks)


def assess(facts: Mapping[str, Any], credit_days: float | None = None) -> list[Check]:
    """Judge the facts of `status`.

    Args:
        facts: what `status.status` returns.
        credit_days: credits for fewer days warn, if not the setting decides.
    """
    limits = facts["limits"]
    warn_days, fail_days = limits["credit_days"]
    if credit_days is not None:
        warn_days, fail_days = credit_days, min(fail_days, credit_days)
    checks = [*_clock(facts), *_last_sync(facts), *freshness(facts)]
    if facts["credits"] is not None:
        checks.append(_credits(facts["credits"], (warn_days, fail_days)))
    if facts["quota"] is not None:
        checks.append(_quota(facts["quota"]))
    if facts["published"] is not None:
        checks += [*_stuck(facts), *_failed(facts), _audits(facts)]
    checks += [unknown(facts), rejected(facts)]
    checks.append(disk(facts["disk"], facts["data_dir"], limits["free_mib"]))
    return [*checks, *receiver(facts)]


def freshness(facts: Mapping[str, Any], *, with_errors: bool = False) -> list[Check]:
    """How long ago each service in use was synced; its tables are as fresh as that.

    Args:
        with_errors: if that is too long ago, quote the service's error in the last sync.
    """
    checks = []
    errors = facts["last_runs"][0]["errors"] if with_errors and facts["last_runs"] else {}
    for name, service in facts["services"].items():
        hours = service["hours_since_sync"]
        level = _sync_level(hours, facts)
        message = "never yet" if hours is None else ago(hours)
        if not service["has_key"]:
            message += f"; {name.upper()}_API_KEY is not set"
        if level != "ok" and name in errors:
            message += f"; the last sync said: {errors[name]}"
        remedy = "" if level == "ok" else "Run `clipmart sync`, or check that its schedule runs it."
        checks.append(Check(f"{name} synced", level, message, remedy))
    return checks


def table_level(table: str, row_count: int, facts: Mapping[str, Any]) -> Level | None:
    """How fresh a table is; None if it is empty or its rows come as events, not by requests.

    What is settled is not requested again, so an old row says nothing: the age of the service's
    last sync does. A balance lands every day.
    """
    service, name = table.split(".")
    if not row_count or service not in facts["services"]:
        return None
    if name == "account_snapshots":
        return _balance_level(facts["credits"]) if facts["credits"] else None
    if name in _FROM_EVENTS:
        return None
    hours = facts["services"][service]["hours_since_sync"]
    return _sync_level(hours, facts)


def unknown(facts: Mapping[str, Any]) -> Check:
    """Submissions whose answer was lost."""
    items = facts["unknown_submissions"]
    if not items:
        return Check("outcome unknown", "ok", "no submission")
    service, submission = items[0]["service"], items[0]["submission_id"]
    return Check(
        "outcome unknown",
        "warn",
        _listed([f"{item['service']} {item['submission_id']}" for item in items]),
        f"Look on {service.capitalize()}'s page. If it is there: `clipmart track {service} ID "
        f"--intent {submission}`; if not, submit it with `--again`.",
        items=tuple(item["submission_id"] for item in items),
    )


def rejected(facts: Mapping[str, Any]) -> Check:
    """Records that did not land. Ids that do not exist are only counted."""
    counts = facts["rejected"]
    words = rejected_words(counts)
    if not counts["records"]:
        return Check("rejected", "ok", words)
    remedy = "`clipmart rejected` says why; after an update, `clipmart rejected --replay`."
    return Check("rejected", "warn", words, remedy)


def disk(
    space: Mapping[str, int], path: Path | str, free_mib: tuple[float, float] = Limits.free_mib
) -> Check:
    """Free bytes compared with stored ones: a build writes all of them again."""
    free, stored = space["free_bytes"], space["stored_bytes"]
    level = worst_level(
        [level_below(free / (1 << 20), free_mib), level_below(free / max(stored, 1), FREE_COPIES)]
    )
    remedy = f"Make room on the disk of {path}, or set CLIPMART_DATA_DIR to a folder elsewhere."
    message = f"{_size(free)} free, {_size(stored)} stored"
    return Check("disk", level, message, remedy if level != "ok" else "")


def receiver(facts: Mapping[str, Any]) -> Iterator[Check]:
    """Whether the webhook receiver runs, if one was started and nobody stopped it."""
    process = facts["receiver"]
    if process is None:
        return
    where = f"{process['host']} port {process['port']}"
    if process["alive"]:
        yield Check("receiver", "ok", f"listens on {where}, process {process['pid']}")
        return
    yield Check(
        "receiver",
        "fail",
        f"does not run: process {process['pid']} on {where} was not stopped, it ended by itself",
        f"Start it again: `clipmart listen --host {process['host']} --port {process['port']}`. If "
        f"you do not need it, remove {facts['data_dir']}/state/receiver.",
    )


def ago(hours: float) -> str:
    """An age for people: 'just now', '12 min ago', '3.5 h ago', '4.2 days ago'.

    An answer's Date may be 5 minutes ahead; anything further ahead was stamped by a wrong clock.
    """
    if hours < -6 / 60:
        return "dated in the future"
    if hours < 1 / 60:
        return "just now"
    if hours < 1:
        return f"{hours * 60:.0f} min ago"
    return f"{hours:.1f} h ago" if hours < 48 else f"{hours / 24:.1f} days ago"


def check_lines(
    checks: Iterable[Check], width: int, paint: Callable[[Level], str] = str
) -> list[str]:
    """A line per check, more on a narrow terminal; the remedy on lines of its own.

    Args:
        paint: colours a level.
    """
    lines = []
    indent = " " * 24

    def wrapped(text: str, columns: int) -> list[str]:
        columns = max(columns, 30)
        shown = printable(named(text))
        parts = textwrap.wrap(shown, columns, break_on_hyphens=False)
        if any(_columns(part) > columns for part in parts):
            parts = textwrap.wrap(shown, columns // 2, break_on_hyphens=False)
        return parts

    for check in checks:
        message = wrapped(check.message, width - len(indent)) or [""]
        lines.append(
            f"{paint(check.level)}{' ' * (5 - len(check.level))} {check.name:<17} {message[0]}"
        )
        lines += [indent + more for more in message[1:]]
        for number, line in enumerate(wrapped(check.remedy, width - len(indent) - 2)):
            lines.append(f"{indent}{'  ' if number else '→ '}{line}")
    return lines


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: a Chinese or Japanese letter takes two."""
    return len(text) + sum(east_asian_width(letter) in "WF" for letter in text)


_FROM_EVENTS = frozenset({"submissions", "webhook_events", "exports", "plan_observations"})


def _clock(facts: Mapping[str, Any]) -> Iterator[Check]:
    """Runs dated ahead: the machine's clock was wrong when they ran."""
    count = facts["runs_ahead"]
    if count:
        runs = "1 run is" if count == 1 else f"{count} runs are"
        message = f"{runs} dated in the future and ignored: the clock was wrong"
        remedy = "Let NTP set it, `timedatectl set-ntp true`; nothing else is needed."
        yield Check("run dates", "warn", message, remedy)


def _last_sync(facts: Mapping[str, Any]) -> list[Check]:
    runs = facts["last_runs"]
    if facts["running"] and runs and runs[0]["finished_at"] is None:
        runs = runs[1:]
    if not runs:
        return []
    run = runs[0]
    if run["finished_at"] is None:
        message = "It did not finish: it was killed, or the machine stopped."
        return [Check("last sync", "warn", message, "Nothing to do: the next one continues.")]
    code = run["exit_code"]
    message = f"exit {code}" + "".join(f"; {error}" for error in run["errors"].values())
    if code == 0:
        return [Check("last sync", "ok", "succeeded")]
    if run["rejected"] and not run["errors"]:
        message += f"; {rejected_in_sync(run['rejected'])}"
    level: Level = "fail" if code == 3 else "warn"
    return [Check("last sync", level, message, fails_with=3)]


def _sync_level(hours: float | None, facts: Mapping[str, Any]) -> Level:
    return "warn" if hours is None else level_above(hours, facts["limits"]["sync_hours"])


def _credits(credits: Mapping[str, Any], limits: tuple[float, float]) -> Check:
    balance, days, burn = credits["balance"], credits["days_left"], credits["burn_7d"]
    message = f"{balance:g} left"
    if days is not None:
        message += f", {days:.1f} days at {burn:.3g} a day"
    age = _balance_level(credits)
    if age != "ok":
        message += f"; that was reported {ago(credits['hours_old'])}"
    level: Level = "fail" if balance <= 0 else "ok"
    if level == "ok" and days is not None:
        level = level_below(days, limits)
    if level != "ok":
        return Check("credits", level, message, "Add credits on Klipit's page.")
    remedy = "Enter it by hand: `clipmart credits BALANCE`; see `clipmart doctor`."
    return Check("credits", age, message, remedy if age != "ok" else "")


def _balance_level(credits: Mapping[str, Any]) -> Level:
    by_hand = credits["origin"] == "hand"
    return level_above(credits["hours_old"], HAND_BALANCE_HOURS if by_hand else BALANCE_HOURS)


def _quota(quota: Mapping[str, Any]) -> Check:
    """Clipus reports a plan's limit only when it refuses: if it is known, it was reached."""
    month = date.fromisoformat(quota["month"])
    videos, campaigns = counted(quota["videos"], "video"), counted(quota["campaigns"], "campaign")
    message = f"{videos} of {campaigns} in {month:%b %Y}"
    if quota["quota"] is None:
        return Check("video quota", "ok", f"{message}; the API did not report the plan's limit")
    reached = f"the plan's limit of {quota['quota']} was reached on {quota['quota_seen_at'][:10]}"
    return Check(
        "video quota",
        "warn",
        f"{message}; {reached}",
        "Wait for the next month or upgrade the plan.",
    )


def _stuck(facts: Mapping[str, Any]) -> Iterator[Check]:
    for service, status in facts["services"].items():
        what, report = SERVICES[service].things, SERVICES[service].progress_report
        ids = status["stuck"]
        remedy = f"Look on {service.capitalize()}'s page; `clipmart report {report}` lists them."
        yield Check(
            f"stuck {what}",
            "warn" if ids else "ok",
            _listed(ids) if ids else "none",
            remedy if ids else "",
            items=tuple(ids),
        )


def _failed(facts: Mapping[str, Any]) -> Iterator[Check]:
    for service, status in facts["services"].items():
        what, report = SERVICES[service].things, SERVICES[service].progress_report
        failed = status["failed"]
        if not failed["recent"]:
            older = f"none lately, {failed['total']:,} in total" if failed["total"] else "none"
            yield Check(f"failed {what}", "ok", older)
            continue
        latest = failed["latest"][: failed["recent"]]
        listed = ", ".join(f"{item['id']} ({item['reason']})" for item in latest)
        more = failed["recent"] - len(latest)
        yield Check(
            f"failed {what}",
            "warn",
            f"{failed['recent']:,} lately: {listed}" + (f" and {more:,} more" if more else ""),
            f"`clipmart report {report}` lists them; `clipmart submit {service}` with `--again` "
            "sends one again.",
            items=tuple(item["id"] for item in latest),
        )


def _audits(facts: Mapping[str, Any]) -> Check:
    findings = facts["audit_findings"]
    if not findings:
        return Check("odd values", "ok", "none")
    return Check(
        "odd values",
        "warn",
        _listed([f"{row['finding']} ({row['rows']} in {row['table_name']})" for row in findings]),
        'They count like any other: `clipmart query "FROM staging.audit_findings"`.',
        items=tuple(row["finding"] for row in findings),
    )


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:,.1f} GiB"


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - SHOWN_ITEMS} more" if len(items) > SHOWN_ITEMS else ""
    return f"{len(items)}: {', '.join(items[:SHOWN_ITEMS])}{more}"
