"""`sync`, `status`, `publish`: keep the published file up to date."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines import stop
from pipelines.output import print_line, say
from pipelines.service import SERVICES
from pipelines.settings import Settings, load_settings, notify_address, ping_address
from sources.shared.errors import FixConfiguration

from .failures import foreseen
from .options import file_argument, json_option, watch_options
from .terminal import coloured, end, print_result, terminal_width

if TYPE_CHECKING:
    from pipelines.health.watch import Watch


@click.command()
@click.argument("names", nargs=-1, metavar="[klipit|clipus]")
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0),
    metavar="M",
    help="Stop after M minutes; the next sync continues.",
)
@click.option(
    "--refresh", multiple=True, metavar="ID…", help="Request these ids again, due or not."
)
@click.option("--dry-run", is_flag=True, help="Report what is due; request nothing.")
@watch_options(
    "Post each failure and each missed threshold here, once. Better set CLIPMART_NOTIFY: other "
    "users of the machine cannot see it.",
    "Report start, success and failure here, as Healthchecks expects it. Better set CLIPMART_PING.",
)
@click.option(
    "--notify-days",
    type=click.FloatRange(min=0),
    metavar="N",
    help="Post when credits last fewer than N days: 7, or what CLIPMART_CREDIT_DAYS says.",
)
@click.option("--verbose", is_flag=True, help="Print all numbers, as --json has them.")
@json_option
def sync(  # noqa: PLR0913 - one for each option
    *,
    names: tuple[str, ...],
    max_minutes: float | None,
    refresh: tuple[str, ...],
    dry_run: bool,
    notify: str | None,
    notify_days: float | None,
    ping: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Fetch everything that is due, load it, publish what changed.

    \b
    clipmart sync
    clipmart sync --dry-run
    clipmart sync klipit --refresh job_01hx3k9q2d7p8r4t
    """
    from pipelines.sync.run import sync as run

    service, refresh = _service_and_ids(names, refresh)
    watch = _watch(notify, notify_days, ping)
    settings = None
    if not dry_run:
        watch.begin()
    try:
        settings = load_settings()
        if not dry_run:
            _say_foreign_hosts(settings, [service] if service else SERVICES)
        result = run(settings, service, max_minutes=max_minutes, refresh=refresh, dry_run=dry_run)
    except Exception as error:
        if not dry_run:
            watch.end(settings, foreseen(error) or error)
        raise
    for note in result.messages():
        say(note)
    lines = result.lines(dry_run=dry_run, verbose=verbose)
    print_result(result.as_json(), lines, as_json=as_json)
    for problem in result.problems():
        say(f"clipmart: {problem}", "error")
    if not dry_run:
        watch.end(settings, result)
    end(result.exit_code)


def _service_and_ids(
    names: tuple[str, ...], refresh: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...]]:
    """The service, and the ids to refresh: click takes only the first after its option."""
    services = [name for name in names if name in SERVICES]
    ids = tuple(name for name in names if name not in SERVICES)
    if len(services) > 1 or (ids and not refresh):
        raise click.UsageError(
            f"'{(services[1:] or list(ids))[0]}' is not expected here: name one service, klipit or "
            "clipus, or none for both; ids go after --refresh."
        )
    return services[0] if services else None, (*refresh, *ids)


def _watch(notify: str | None, days: float | None, ping: str | None) -> Watch:
    """What watches this sync, with the addresses of the options or else of the variables."""
    from pipelines.health.post import check_address
    from pipelines.health.watch import Watch

    notify_url, ping_url = notify or notify_address(), ping or ping_address()
    if notify_url:
        check_address(notify_url, "--notify" if notify else "CLIPMART_NOTIFY")
    if ping_url:
        check_address(ping_url, "--ping" if ping else "CLIPMART_PING")
    return Watch(notify_url, days, ping_url)


def _say_foreign_hosts(settings: Settings, services: Iterable[str]) -> None:
    for service in services:
        host = settings.foreign_host(service)
        if host and settings.api_key(service):
            variable = SERVICES[service].address_variable
            say(f"{service}: requests go to {host} ({variable}), not the vendor's.", "warning")


@click.command()
@click.option("--check", is_flag=True, help="Exit with 1 if something fails its threshold.")
@json_option
def status(check: bool, as_json: bool) -> None:
    """Report progress, freshness and what needs attention.

    Reads only. The exit code is 0 unless --check is given.

    \b
    clipmart status
    clipmart status --check
    """
    from pipelines.health.status import status as read
    from pipelines.health.status import status_lines

    found = read(load_settings())
    lines = status_lines(found, terminal_width(), coloured)
    print_result(found, lines, as_json=as_json, rendered=True)
    if check and found["level"] == "fail":
        end(1)


@click.command()
@file_argument
def publish(file: Path | None) -> None:
    """Build and publish what has landed, or write a copy to FILE.

    \b
    clipmart publish
    clipmart publish clips-of-april.duckdb
    """
    from pipelines.files import refuse_own_file
    from pipelines.ledger.lock import sync_lock
    from pipelines.warehouse import publish as publishing

    settings = load_settings()
    if file is not None:
        refuse_own_file(settings, file)
    with stop.deferred(), sync_lock(settings.lock, settings.now()):
        if file is None or not settings.warehouse.exists():
            _bring_up_to_date(settings)
        if file is None:
            publishing.publish(settings)
        else:
            publishing.export_copy(settings, file)
    print_line(f"published {file.absolute() if file else settings.published}")


def _bring_up_to_date(settings: Settings) -> None:
    """Rebuild a landing store that is gone, and upgrade one of an earlier version."""
    from pipelines.landing.loader import Loader
    from pipelines.landing.store import Landing
    from pipelines.landing.upgrade import upgrade
    from pipelines.ledger.ledger import open_ledger
    from pipelines.repair.recover import recover_locked

    if settings.lake is not None:
        return
    open_ledger(settings).close()  # which refuses one of a newer version
    if not settings.landing.exists():
        for line in recover_locked(settings):
            say(line)
    if not settings.landing.exists():
        raise FixConfiguration(
            f"Nothing has landed in {settings.landing}, so there is nothing to publish. "
            "Run `clipmart sync` first."
        )
    with closing(Landing(settings.landing)) as landing:
        loader = Loader(settings.landing, settings.dlt_dir)
        for line in upgrade(landing, loader, settings.now()):
            say(line)
