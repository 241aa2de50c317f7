"""Doctor: checks everything that a sync needs, and says how to fix what is wrong.

It spends nothing, loads nothing, prints no key and never needs the sync's lock.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb

from pipelines.landing.store import duckdb_error
from pipelines.ledger.ledger import open_ledger
from pipelines.ledger.lock import lock_holder
from pipelines.output import counted
from pipelines.program import checkout
from pipelines.service import SERVICES
from pipelines.settings import SECRET_CHARACTERS, Settings
from sources.shared.errors import ClipmartError

from .api_keys import key_checks
from .checks import RUNNING_HOURS, Check, disk, freshness, level_above, receiver, rejected, unknown
from .status import disk_space, nearest_existing, status

VERSIONS = ("dlt", "duckdb", "httpx", "pandas")
"""Packages whose versions are shown."""


def doctor(settings: Settings) -> list[Check]:
    """Every check, the keys first."""
    # Before anything opens the ledger, which creates the folder and closes it to others.
    stored = list(folders(settings))
    facts: dict[str, Any] | None = None
    ledger = None
    try:
        if all(check.level != "fail" for check in stored):
            facts = status(settings)
            if any(settings.api_key(name) for name in SERVICES):
                ledger = open_ledger(settings)
    except (ClipmartError, duckdb.Error) as error:
        again = "Then run `clipmart doctor` again."
        failure = duckdb_error(settings, error) if isinstance(error, duckdb.Error) else error
        stored.append(Check("stored data", "fail", str(failure), again, failure.exit_code))
    try:
        checks = [*missing_keys(settings, facts), *key_checks(settings, ledger)]
    finally:
        if ledger is not None:
            ledger.close()
    checks += [
        *stored,
        *secret_files(Path.cwd()),
        *lake_reader(settings),
        disk(disk_space(settings), settings.data_dir, settings.limits.free_mib),
    ]
    checks += [lock(settings), versions(metadata.requires("clipmart") or ())]
    if facts is not None:
        checks += [
            webhooks(settings, facts),
            *receiver(facts),
            *freshness(facts, with_errors=True),
            unknown(facts),
            rejected(facts),
        ]
    return checks


def missing_keys(settings: Settings, facts: Mapping[str, Any] | None) -> Iterator[Check]:
    """Services without a key: fine if another has one and no id of theirs is known."""
    lacking = [name for name in SERVICES if not settings.api_key(name)]
    services = facts["services"] if facts else {}
    if len(lacking) == len(SERVICES) and not services:
        message = f"Neither {' nor '.join(s.key_variable for s in SERVICES.values())} is set."
        remedy = "Set one in the environment or in .env; `clipmart demo` needs none."
        yield Check("keys", "fail", message, remedy, 3)
        return
    for name in lacking:
        variable = SERVICES[name].key_variable
        if name in services:
            known = services[name]["known"]
            ids = f"{counted(known, 'id')} {'is' if known == 1 else 'are'} known"
            message = f"{variable} is not set, but {ids}"
            remedy = f"Set {variable} in the environment or in .env."
            yield Check(f"{name} key", "fail", message, remedy, 3)
        else:
            yield Check(f"{name} key", "ok", f"{variable} is not set: left out")


def folders(settings: Settings) -> Iterator[Check]:
    """Whether the data folder can be written, and only its owner can enter the state in it."""
    for title, path in (("data folder", settings.data_dir), ("state folder", settings.state_dir)):
        try:
            with tempfile.TemporaryFile(dir=nearest_existing(path)):
                pass
        except OSError as error:
            message = f"{path} cannot be written ({error.strerror})"
            remedy = "Make it writable for this user, or set CLIPMART_DATA_DIR to another folder."
            yield Check(title, "fail", message, remedy, 3)
            return
        if not path.exists():
            yield Check(title, "ok", f"{path} does not exist yet; it is created when needed")
        elif title == "state folder" and (mode := path.stat().st_mode & 0o777) & 0o077:
            yield Check(
                title, "warn", f"others can enter it (mode {mode:o})", f"`chmod 700 {path}`"
            )
        else:
            private = "only its owner can enter it"
            yield Check(title, "ok", str(path) if title == "data folder" else private)


def lake_reader(settings: Settings) -> Iterator[Check]:
    """Whether readers of a lake use a role that may not write it."""
    lake = settings.lake
    if lake is None:
        return
    remedy = "Set CLIPMART_LAKE_READER to a role that may only SELECT: docs/lake.md, Read it."
    if lake.reader is None:
        message = "CLIPMART_LAKE_READER is not set: readers connect as the user that writes"
        yield Check("lake reader", "warn", message, remedy)
        return
    from pipelines.ledger.postgres import may_write

    try:
        if may_write(lake.reader):
            message = "the role of CLIPMART_LAKE_READER may write"
            yield Check("lake reader", "warn", message, remedy)
        else:
            yield Check("lake reader", "ok", "its role may only read")
    except ClipmartError as error:
        again = "Then run `clipmart doctor` again."
        yield Check("lake reader", "fail", str(error), again, error.exit_code)


def secret_files(folder: Path) -> Iterator[Check]:
    """Whether other users can read the files with keys."""
    for name in (".env", ".dlt/secrets.toml"):
        with suppress(OSError):
            if (mode := (folder / name).stat().st_mode & 0o777) & 0o044:
                remedy = f"`chmod 600 {folder / name}`"
                yield Check(name, "warn", f"others can read it (mode {mode:o})", remedy)


def lock(settings: Settings) -> Check:
    """Which process holds the sync's lock, and whether for too long."""
    held = lock_holder(settings.lock)
    if held is None:
        return Check("lock", "ok", "free: no sync runs")
    pid, since = held
    if not pid:
        return Check("lock", "ok", "a sync runs")  # it took the lock a moment ago
    message = f"a sync runs: process {pid}, since {since[:19]}Z"
    hours = 0.0
    with suppress(ValueError):
        hours = (settings.now() - datetime.fromisoformat(since)).total_seconds() / 3600
    if level_above(hours, RUNNING_HOURS) == "ok":
        return Check("lock", "ok", message)
    remedy = f"`clipmart status` shows whether it makes progress; if not, `kill {pid}` is safe."
    return Check("lock", "warn", f"{message}, for {hours:.0f} h", remedy)


def versions(requirements: Iterable[str]) -> Check:
    """What is installed compared with what the package requires, its extras aside."""
    from packaging.requirements import Requirement

    installed, others, absent = [f"Python {platform.python_version()}"], [], []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None:
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            absent.append(requirement.name)
            continue
        if requirement.name in VERSIONS:
            installed.append(f"{requirement.name} {version}")
        if not requirement.specifier.contains(version, prereleases=True):
            others.append(f"{requirement.name} {version} (supported: {requirement.specifier})")
    remedy = "Install clipmart again: `pip install --upgrade clipmart`."
    if checkout() is not None:
        remedy = "Install clipmart again: `make clean install`."
    if absent:
        return Check("versions", "fail", f"not installed: {', '.join(absent)}", remedy, 3)
    if others:
        return Check("versions", "warn", f"not supported: {', '.join(others)}", remedy)
    return Check("versions", "ok", ", ".join(installed))


def webhooks(settings: Settings, facts: Mapping[str, Any]) -> Check:
    """Whether events would be accepted. A sync works without them."""
    rows = {table["table_name"]: table["row_count"] for table in facts["freshness"]}
    events = rows.get("klipit.webhook_events", 0)
    secrets = len(settings.klipit_webhook_secrets)
    message = f"KLIPIT_WEBHOOK_SECRET is {'set' if secrets else 'not set'}"
    if secrets > 1:
        message += f" ({secrets}, for a rotation)"
    message += f", CLIPUS_WEBHOOK_TOKEN is {'set' if settings.clipus_webhook_token else 'not set'}"
    if events and not secrets:
        remedy = "Set KLIPIT_WEBHOOK_SECRET, or `clipmart listen` refuses Klipit's events."
        arrived = f"{counted(events, 'event')} {'has' if events == 1 else 'have'} arrived"
        return Check("webhooks", "warn", f"{message}, but {arrived}", remedy)
    if settings.short_webhook_secret:
        message = f"KLIPIT_WEBHOOK_SECRET has a secret of fewer than {SECRET_CHARACTERS} characters"
        remedy = "Set the whole secret, or `clipmart listen` does not start."
        return Check("webhooks", "warn", message, remedy)
    return Check("webhooks", "ok", message)
