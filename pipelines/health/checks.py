"""Is it well? Every threshold stands here, and how facts are judged by them.

Nothing is read or asked here: `status` gathers the facts, `doctor` adds what it finds out, and
`sync --notify` posts what changed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unicodedata import east_asian_width

from pipelines.output import printable
from pipelines.service import SERVICES
from pipelines.sync.result import worst

from .attention import rejected_in_sync, rejected_words

Level = Literal["ok", "warn", "fail"]
LEVELS: tuple[Level, ...] = ("ok", "warn", "fail")

# (warns, fails) above these.
SYNC_HOURS = (3.0, 26.0)  # an hourly sync that missed two; a daily one that missed one
BALANCE_HOURS = (26.0, None)  # the API's lands once a UTC day
HAND_BALANCE_HOURS = (7 * 24.0, None)
CLOCK_SECONDS = (30.0, 3600.0)  # the worklist counts in steps of 15 s and up
RUNNING_HOURS = (24.0, None)  # a backfill of 80,000 jobs ends in less
# (warns, fails) below these.
CREDIT_DAYS = (7.0, 1.0)
FREE_BYTES = (1 << 30, 100 << 20)
FREE_COPIES = (3.0, 1.0)  # the same, in sizes of what is stored: a build writes everything anew

SHOWN_ITEMS = 3


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    level: Level
    told: str
    remedy: str = ""
    """What to do, with the exact command or variable."""
    fails_with: int = 1
    """The exit code where it fails."""
    items: tuple[str, ...] = ()
    """What it is about, such as the ids that are stuck: a new one is news."""

    @property
    def exit_code(self) -> int:
        return self.fails_with if self.level == "fail" else 0

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "level": self.level,
            "told": self.told,
            "remedy": self.remedy or None,
            "items": list(self.items),
        }


def level_above(value: float, limits: tuple[float | None, float | None]) -> Level:
    warns, fails = limits
    if fails is not None and value > fails:
        return "fail"
    return "warn" if warns is not None and value > warns else "ok"


def level_below(value: float, limits: tuple[float, float]) -> Level:
    warns, fails = limits
    return "fail" if value < fails else "warn" if value < warns else "ok"


def worst_level(levels: Iterable[Level]) -> Level:
    return max(levels, key=LEVELS.index, default="ok")


def exit_code(checks: Iterable[Check]) -> int:
    """The worst's, in the order of the contract: 3, 75, 1, 0."""
    return worst(check.exit_code for check in checks)


def assess(found: Mapping[str, Any], credit_days: float = CREDIT_DAYS[0]) -> list[Check]:
    """What the facts of `status` mean.

    Args:
        found: as `status.status` gives it.
        credit_days: credits for fewer days than these warn.
    """
    checks = [*_clock(found), *_last_sync(found), *freshness(found)]
    if found["credits"] is not None:
        checks.append(_credits(found["credits"], credit_days))
    if found["quota"] is not None:
        checks.append(_quota(found["quota"]))
    if found["published"] is not None:
        checks += [*_stuck(found), *_failed(found), _audits(found)]
    checks += [unknown(found), rejected(found), disk(found["disk"], found["data_dir"])]
    return [*checks, *receiver(found)]


def freshness(found: Mapping[str, Any], *, with_errors: bool = False) -> list[Check]:
    """How long ago each service in use was synced: a table is as fresh as that, however old.

    Args:
        with_errors: where that is too long ago, quote what the last sync said of it.
    """
    checks = []
    errors = found["last_runs"][0]["errors"] if with_errors and found["last_runs"] else {}
    for name, service in found["services"].items():
        hours = service["hours_since_sync"]
        level: Level = "warn" if hours is None else level_above(hours, SYNC_HOURS)
        told = "never yet" if hours is None else ago(hours)
        if not service["has_key"]:
            told += f"; {name.upper()}_API_KEY is not set"
        if level != "ok" and name in errors:
            told += f"; the last sync said: {errors[name]}"
        remedy = "" if level == "ok" else "Run `clipmart sync`, or see that its schedule does."
        checks.append(Check(f"{name} synced", level, told, remedy))
    return checks


def table_level(table: str, row_count: int, found: Mapping[str, Any]) -> Level | None:
    """How a table's freshness is judged; None where its rows come as events, not by asking.

    What is settled is not asked for again, so an old row says nothing: the age of the service's
    last sync does. A balance lands every day.
    """
    service, name = table.split(".")
    if not row_count or service not in found["services"]:
        return None
    if name == "account_snapshots":
        return _balance_level(found["credits"]) if found["credits"] else None
    if service == "clipmart" or name in _AS_THEY_COME:
        return None
    hours = found["services"][service]["hours_since_sync"]
    return "warn" if hours is None else level_above(hours, SYNC_HOURS)


def unknown(found: Mapping[str, Any]) -> Check:
    """Submissions whose answer was lost."""
    items = found["unknown_submissions"]
    if not items:
        return Check("outcome unknown", "ok", "no submission")
    service, submission = items[0]["service"], items[0]["submission_id"]
    return Check(
        "outcome unknown",
        "warn",
        _listed([f"{one['service']} {one['submission_id']}" for one in items]),
        f"Look in {service.capitalize()}'s page. If it is there: `clipmart track {service} ID "
        f"--intent {submission}`; if not, submit it with `--again`.",
        items=tuple(one["submission_id"] for one in items),
    )


def rejected(found: Mapping[str, Any]) -> Check:
    """Records that did not land. An id that does not exist cannot, and is only counted."""
    counts = found["rejected"]
    words = rejected_words(counts)
    if not counts["records"]:
        return Check("rejected", "ok", words)
    remedy = "`clipmart rejected` tells why; after an update, `clipmart rejected --replay`."
    return Check("rejected", "warn", words, remedy)


def disk(space: Mapping[str, int], path: Path | str) -> Check:
    """Free bytes against stored ones: a build writes all of them once more."""
    free, stored = space["free_bytes"], space["stored_bytes"]
    level = worst_level(
        [level_below(free, FREE_BYTES), level_below(free / max(stored, 1), FREE_COPIES)]
    )
    remedy = f"Make room on the disk of {path}, or set CLIPMART_DATA_DIR to a folder elsewhere."
    told = f"{_size(free)} free, {_size(stored)} stored"
    return Check("disk", level, told, remedy if level != "ok" else "")


def receiver(found: Mapping[str, Any]) -> Iterator[Check]:
    """Whether the receiver of webhooks runs, where one was started and nobody stopped it."""
    facts = found["receiver"]
    if facts is None:
        return
    where = f"{facts['host']} port {facts['port']}"
    if facts["alive"]:
        yield Check("receiver", "ok", f"listens on {where}, process {facts['pid']}")
        return
    yield Check(
        "receiver",
        "fail",
        f"does not run: process {facts['pid']} on {where} was not stopped, it ended by itself",
        f"Start it again: `clipmart listen --host {facts['host']} --port {facts['port']}`. If none "
        f"is wanted, remove {found['data_dir']}/state/receiver.",
    )


def ago(hours: float) -> str:
    """An age as a person says it: 'just now', '12 min ago', '3.5 h ago', '4.2 days ago'.

    An answer's Date may be 5 minutes ahead; what is further ahead was stamped by a wrong clock.
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
    """A line each, more where the terminal is narrow; the remedy on lines of its own.

    Args:
        paint: what a level looks like.
    """
    lines = []
    indent = " " * 24

    def wrapped(text: str, columns: int) -> list[str]:
        columns = max(columns, 30)
        parts = textwrap.wrap(printable(text), columns, break_on_hyphens=False)
        if any(_columns(part) > columns for part in parts):
            parts = textwrap.wrap(printable(text), columns // 2, break_on_hyphens=False)
        return parts

    for check in checks:
        told = wrapped(check.told, width - len(indent)) or [""]
        lines.append(
            f"{paint(check.level)}{' ' * (5 - len(check.level))} {check.name:<17} {told[0]}"
        )
        lines += [indent + more for more in told[1:]]
        for number, line in enumerate(wrapped(check.remedy, width - len(indent) - 2)):
            lines.append(f"{indent}{'  ' if number else '→ '}{line}")
    return lines


def _columns(text: str) -> int:
    """How many columns a terminal takes for it, at most: Chinese and Japanese letters take two."""
    return len(text) + sum(east_asian_width(letter) in "WF" for letter in text)


_AS_THEY_COME = frozenset({"submissions", "webhook_events", "exports", "plan_observations"})


def _clock(found: Mapping[str, Any]) -> Iterator[Check]:
    """Runs dated ahead: the machine's clock was wrong when they ran."""
    count = found["runs_ahead"]
    if count:
        runs = "1 run is" if count == 1 else f"{count} runs are"
        told = f"{runs} dated in the future and ignored: the clock was wrong"
        remedy = "Let it be set by NTP, `timedatectl set-ntp true`; nothing else is needed."
        yield Check("run dates", "warn", told, remedy)


def _last_sync(found: Mapping[str, Any]) -> list[Check]:
    runs = found["last_runs"]
    if found["running"] and runs and runs[0]["finished_at"] is None:
        runs = runs[1:]
    if not runs:
        return []
    run = runs[0]
    if run["finished_at"] is None:
        told = "It did not finish: it was killed, or the machine stopped."
        return [Check("last sync", "warn", told, "Nothing to do: the next one goes on.")]
    code = run["exit_code"]
    told = f"exit {code}" + "".join(f"; {error}" for error in run["errors"].values())
    if code == 0:
        return [Check("last sync", "ok", "well")]
    if run["rejected"] and not run["errors"]:
        told += f"; {rejected_in_sync(run['rejected'])}"
    level: Level = "fail" if code == 3 else "warn"
    return [Check("last sync", level, told, fails_with=3)]


def _credits(credits: Mapping[str, Any], warn_days: float) -> Check:
    balance, days, burn = credits["balance"], credits["days_left"], credits["burn_7d"]
    told = f"{balance:g} left"
    if days is not None:
        told += f", {days:.1f} days at {burn:.3g} a day"
    age = _balance_level(credits)
    if age != "ok":
        told += f"; that was told {ago(credits['hours_old'])}"
    level: Level = "fail" if balance <= 0 else "ok"
    if level == "ok" and days is not None:
        level = level_below(days, (warn_days, min(CREDIT_DAYS[1], warn_days)))
    if level != "ok":
        return Check("credits", level, told, "Add credits in Klipit's page.")
    remedy = "Note it by hand: `clipmart credits BALANCE`; see `clipmart doctor`."
    return Check("credits", age, told, remedy if age != "ok" else "")


def _balance_level(credits: Mapping[str, Any]) -> Level:
    by_hand = credits["origin"] == "hand"
    return level_above(credits["hours_old"], HAND_BALANCE_HOURS if by_hand else BALANCE_HOURS)


def _quota(quota: Mapping[str, Any]) -> Check:
    """A plan's number of videos is told by a refusal alone: where it is known, it was reached."""
    told = f"{quota['videos']} videos of {quota['campaigns']} campaigns in {quota['month'][:7]}"
    if quota["quota"] is None:
        return Check("video quota", "ok", f"{told}; the plan's number was not told")
    return Check(
        "video quota",
        "warn",
        f"{told}; the {quota['quota']} of the plan were used up on {quota['quota_seen_at'][:10]}",
        "Wait for the next month or enlarge the plan.",
    )


def _stuck(found: Mapping[str, Any]) -> Iterator[Check]:
    for service, one in found["services"].items():
        what, report = SERVICES[service].things, SERVICES[service].progress_report
        ids = one["stuck"]
        remedy = f"Look in {service.capitalize()}'s page; `clipmart report {report}` lists them."
        yield Check(
            f"stuck {what}",
            "warn" if ids else "ok",
            _listed(ids) if ids else "none",
            remedy if ids else "",
            items=tuple(ids),
        )


def _failed(found: Mapping[str, Any]) -> Iterator[Check]:
    for service, one in found["services"].items():
        what, report = SERVICES[service].things, SERVICES[service].progress_report
        failed = one["failed"]
        if not failed["recent"]:
            older = f"none lately, {failed['total']:,} in all" if failed["total"] else "none"
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


def _audits(found: Mapping[str, Any]) -> Check:
    odd = found["audit_findings"]
    if not odd:
        return Check("odd values", "ok", "none")
    return Check(
        "odd values",
        "warn",
        _listed([f"{one['finding']} ({one['rows']} in {one['table_name']})" for one in odd]),
        'They count as they came: `clipmart query "FROM staging.audit_findings"`.',
        items=tuple(one["finding"] for one in odd),
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
