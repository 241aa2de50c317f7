"""The command line. Results go to stdout, everything else to stderr; each command imports its own.

Exit codes: 0 done; 1 some items failed; 2 usage; 3 configuration or a refused key; 75 try later.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import sqlite3
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pipelines import stop
from pipelines.output import print_csv, print_json, print_line, print_lines, print_rendered, say
from pipelines.settings import Settings, load_settings, notify_address, parse_instant
from sources.shared.errors import ClipmartError, FixConfiguration, Unusable

from .help import TaskGroup, complete_report

SERVICE = click.Choice(["klipit", "clipus"])
FORMAT = click.Choice(["table", "json", "csv", "markdown"])
format_option = click.option(
    "--format",
    "format_",
    type=FORMAT,
    metavar="NAME",
    default="table",
    show_default=True,
    help="table, json, csv or markdown.",
)


def port_option(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--port",
        type=click.IntRange(0, 65535),
        metavar="N",
        default=default,
        show_default=True,
        help="Port to listen on; 0 takes a free one.",
    )


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class _Group(TaskGroup):
    """Turns every foreseeable failure into one message and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with stop.at_once():
                return super().invoke(ctx)
        except ClipmartError as error:
            say(f"clipmart: {error}")
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            say(f"clipmart: {stop.STOPPED}")
            ctx.exit(75)
        except BrokenPipeError:
            # Whoever read the output closed it, as `| head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except sqlite3.Error as error:
            from pipelines.ledger.ledger import unusable

            failed = unusable(load_settings().ledger, error)
            say(f"clipmart: {failed}")
            ctx.exit(failed.exit_code)
        except OSError as error:
            from pipelines.disk import disk_full, is_full

            if is_full(error):
                say(f"clipmart: {disk_full(error.filename or load_settings().data_dir)}")
                ctx.exit(3)
            say(
                f"clipmart: {error.filename or 'A file'} cannot be used ({error.strerror}). What "
                "was loaded before stays. Mend that, then run the command again."
            )
            ctx.exit(3)
        except Exception as error:
            if stop.requested() and not isinstance(error, click.exceptions.Exit):
                # A query of DuckDB's that is interrupted raises an error of its own.
                say(f"clipmart: {stop.STOPPED}")
                ctx.exit(75)
            if not type(error).__module__.endswith("duckdb"):  # which may not be imported
                raise
            from pipelines.landing.store import cannot_go_on

            failed = cannot_go_on(load_settings(), error)
            say(f"clipmart: {failed}")
            ctx.exit(failed.exit_code)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(package_name="clipmart")
def main() -> None:
    """Klipit clips and Clipus videos in DuckDB, ready to query.

    \b
    clipmart demo                           see it work, without a key
    clipmart track klipit --from jobs.csv   tell it the ids you have
    clipmart sync                           fetch what is new, publish it
    clipmart COMMAND --help                 more, with examples
    """


def run() -> None:
    """The command as a process of its own, which ends at once when it is done.

    A command is short: the garbage collector's passes over all that dlt and Arrow keep, and
    taking it apart at the end, cost a second of a sync and free nothing that matters.
    """
    gc.set_threshold(100_000, 50, 100)
    code: Any = 1
    try:
        main(prog_name="clipmart")
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        for line in traceback.format_exc().splitlines():
            say(line)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


@main.command()
@click.argument("service", type=SERVICE)
@click.argument("ids", nargs=-1)
@click.option(
    "--from",
    "source",
    type=click.Path(allow_dash=True),
    metavar="FILE",
    help="File of ids (a list, or CSV with a header); - is stdin.",
)
@click.option("--intent", metavar="ID", help="Tie one id to a submission whose outcome is unknown.")
def track(service: str, ids: tuple[str, ...], source: str | None, intent: str | None) -> None:
    """Make ids known. Asks nobody; the next sync does.

    \b
    clipmart track klipit job_01hx3k9q2d7p8r4t
    clipmart track clipus --from campaigns.csv
    """
    from pipelines.ids.track import track_ids

    settings = load_settings()
    if intent is not None and (len(ids) != 1 or source):
        raise Unusable(
            "--intent goes with exactly one ID. Nothing was kept. The form is "
            f"`clipmart track {service} ID --intent SUBMISSION`."
        )
    if not ids and not source:
        raise Unusable(f"Name an ID or a file: `clipmart track {service} --from FILE`.")
    texts = [("", "\n".join(ids))] if ids else []
    if source:
        texts.append((source if source != "-" else "stdin", _text_of(source)))
    outcome = track_ids(settings, service, texts, intent)
    for line in outcome.remarks:
        say(line)
    for line in outcome.refused:
        say(f"refused: {line}")
    say(
        f"{service}: {outcome.kept} recorded ({outcome.new} new to the ledger), "
        f"{len(outcome.refused)} refused. Run `clipmart sync` to fetch them."
    )
    if outcome.refused:
        click.get_current_context().exit(1)


@main.command()
@click.argument("service", type=SERVICE)
@click.argument("ids", nargs=-1, required=True)
def untrack(service: str, ids: tuple[str, ...]) -> None:
    """Forget ids: they are polled and counted no more.

    What landed of them stays; `track` brings them back.

    \b
    clipmart untrack klipit job_01hx3k9q2d7p8r4t
    """
    from pipelines.ids.track import untrack_ids

    unknown = untrack_ids(load_settings(), service, ids)
    for id_ in unknown:
        say(f"not tracked: {id_}. `clipmart ids {service}` lists those that are.")
    say(f"{service}: {len(set(ids)) - len(unknown)} untracked. The next sync leaves them out.")
    if unknown:
        click.get_current_context().exit(1)


@main.command()
@click.argument("service", type=SERVICE)
def ids(service: str) -> None:
    """Print a service's known ids as CSV; `track --from` reads it.

    \b
    clipmart ids klipit >ids.csv
    """
    from pipelines.ids.track import known_ids

    print_csv(known_ids(load_settings(), service))


again = click.option("--again", is_flag=True, help="Also where the URL was submitted before.")
wait = click.option("--wait", is_flag=True, help="Poll to the end, with progress.")


@main.group()
def submit() -> None:
    """Submit an episode or a page, once. It costs credits or quota.

    The id goes to stdout. Where an answer is lost, the submission is kept as 'outcome unknown' and
    never sent again by itself.

    \b
    clipmart submit klipit --source-url https://example.com/episode.mp3 --wait
    clipmart submit clipus --url https://example.com --language en
    """


@submit.command("klipit")
@click.option("--source-url", help="Where the episode is, e.g. at YouTube.")
@click.option("--file", type=click.Path(path_type=Path), help="Or a file to upload.")
@click.option("--show", help="Name of the show; reports group by it.")
@click.option("--guest", help="Name of the guest.")
@click.option("--description", help="Of the episode, for Klipit.")
@click.option("--platform", "platforms", multiple=True, help="E.g. tiktok; may be repeated.")
@again
@wait
@as_json
def submit_klipit(again: bool, wait: bool, as_json: bool, **fields: Any) -> None:
    """Submit a podcast episode; prints its job's id.

    \b
    clipmart submit klipit --source-url https://example.com/1.mp3 --show "My show"
    clipmart submit klipit --file episode.mp3 --guest Ada --platform tiktok --wait
    """
    from pipelines.submissions.request import klipit_request

    _submit(load_settings(), klipit_request(**fields), again=again, wait=wait, as_json=as_json)


@submit.command("clipus")
@click.option("--url", required=True, help="The public page of the product.")
@click.option("--language", "languages", multiple=True, help="E.g. en; may be repeated.")
@click.option("--title", help="A label for the campaign.")
@click.option(
    "--webhook-url",
    help="Public https address that Clipus calls at the end; see `clipmart listen`.",
)
@again
@wait
@as_json
def submit_clipus(again: bool, wait: bool, as_json: bool, **fields: Any) -> None:
    """Submit a product's page; prints its campaign's id. Clipus may take 300 s to answer.

    \b
    clipmart submit clipus --url https://example.com --language en --language ja
    """
    from pipelines.submissions.request import clipus_request

    settings = load_settings()
    request = clipus_request(
        token=settings.clipus_webhook_token, api=settings.clipus_base_url, **fields
    )
    _submit(settings, request, again=again, wait=wait, as_json=as_json)


def _submit(settings: Settings, request: Any, *, again: bool, wait: bool, as_json: bool) -> None:
    from pipelines.submissions.submit import submit as run

    def on_known(id_: str) -> None:
        if not as_json:
            print_line(id_)

    done = run(settings, request, again=again, wait=wait, say=say, on_known=on_known)
    if as_json:
        print_json(done.as_json())
    if done.error is None:
        say(f"{done.service}: {done.id} is submitted. Run `clipmart sync` to load it.")
    _exit_with(done.error)


@main.command()
@click.argument("job_id")
@click.option(
    "--platform",
    type=click.Choice(["tiktok", "reels", "shorts", "linkedin", "twitter"]),
    metavar="NAME",
    help="Cut for tiktok, reels, shorts, linkedin or twitter.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["mp4", "zip"]),
    default="mp4",
    show_default=True,
    help="One film, or a zip of the clips.",
)
@click.option(
    "--download",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Fetch the file into this folder.",
)
@as_json
def export(
    job_id: str, platform: str | None, format_: str, download: Path | None, as_json: bool
) -> None:
    """Ask Klipit for a job's clips in one file, once.

    Prints the file's path, or the export's id. Exit code 75: not ready yet.

    \b
    clipmart export job_01hx3k9q2d7p8r4t --platform reels --download clips
    """
    from pipelines.submissions.export import export as run

    done = run(
        load_settings(), job_id, platform=platform, format_=format_, download=download, say=say
    )
    if as_json:
        print_json(done.as_json())
    elif done.error is None:
        print_line(done.path or done.export_id)
    if done.error is None:
        say(done.line())
    _exit_with(done.error)


@main.command()
@click.argument("names", nargs=-1, metavar="[klipit|clipus]")
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0),
    metavar="M",
    help="End after so long; go on later.",
)
@click.option(
    "--refresh", multiple=True, metavar="ID…", help="Request these ids again, due or not."
)
@click.option("--dry-run", is_flag=True, help="Say what is due; ask for nothing.")
@click.option(
    "--notify",
    metavar="URL",
    help="Post a failure or a lost threshold here, once; better CLIPMART_NOTIFY, which no other "
    "user of the machine sees.",
)
@click.option(
    "--notify-days",
    type=click.FloatRange(min=0),
    metavar="N",
    default=7,
    show_default=True,
    help="Post when credits last for fewer days.",
)
@as_json
def sync(
    names: tuple[str, ...],
    max_minutes: float | None,
    refresh: tuple[str, ...],
    dry_run: bool,
    notify: str | None,
    notify_days: float,
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
    settings = None

    def tell(outcome: Any) -> None:
        if notify and not dry_run:
            from pipelines.health.notify import notify as post_news

            post_news(settings, notify, notify_days, outcome, say)

    given_by = "--notify" if notify else "CLIPMART_NOTIFY"
    notify = notify or notify_address()
    if notify:
        from pipelines.health.notify import check_url

        check_url(notify, given_by)
    try:
        settings = load_settings()
        for name in [service] if service else ["klipit", "clipus"]:
            host = settings.foreign_host(name)
            if host and settings.api_key(name) and not dry_run:
                say(f"{name}: requests go to {host} ({name.upper()}_BASE_URL), not the vendor's.")
        result = run(settings, service, max_minutes=max_minutes, refresh=refresh, dry_run=dry_run)
    except Exception as error:
        tell(error)
        raise
    for note in result.notes:
        say(note)
    if as_json:
        print_json(result.as_json())
    else:
        for line in result.lines(dry_run=dry_run):
            print_line(line)
    for problem in result.problems():
        say(f"clipmart: {problem}")
    tell(result)
    click.get_current_context().exit(result.exit_code)


def _service_and_ids(
    names: tuple[str, ...], refresh: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...]]:
    """The service, and the ids to refresh: click takes only the first after its option."""
    services = [name for name in names if name in SERVICE.choices]
    ids = tuple(name for name in names if name not in SERVICE.choices)
    if len(services) > 1 or (ids and not refresh):
        raise click.UsageError(
            f"'{(services[1:] or list(ids))[0]}' is not expected here: name one service, klipit or "
            "clipus, or none for both; ids go after --refresh."
        )
    return services[0] if services else None, (*refresh, *ids)


@main.command()
@click.argument("name", required=False, shell_complete=complete_report)
@format_option
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write one page.")
@click.option("--no-links", is_flag=True, help="Leave out download links, which may be signed.")
def report(name: str | None, format_: str, html: Path | None, no_links: bool) -> None:
    """Print a report, or the four main ones; or write a page to look at.

    A terminal gets what fits; json, csv and markdown give every row and column.

    \b
    clipmart report
    clipmart report top-clips --format csv > clips.csv
    clipmart report --html report.html
    """
    if html is not None:
        _write_page(name, html, links=not no_links)
        return
    from pipelines.reports.render import MAIN, read_report, render
    from pipelines.warehouse.read import open_published

    with open_published(load_settings()) as con:
        names = [name] if name else MAIN
        tables = [read_report(con, each, links=not no_links) for each in names]
    _print_rows(render(tables, format_, width=_width()), format_)


def _write_page(name: str | None, file: Path, *, links: bool) -> None:
    given = click.get_current_context().get_parameter_source("format_")
    if name or given is click.core.ParameterSource.COMMANDLINE:
        raise Unusable(
            "--html writes all reports as one page; it goes without NAME and --format. Nothing was "
            "written."
        )
    from pipelines.files import refuse_own_file
    from pipelines.reports.page import write_page

    settings = load_settings()
    refuse_own_file(settings, file)
    print_line(write_page(settings, file, links=links))
    if links:
        say(
            "Download links in the page may be signed: anyone who has the page can use them. "
            "`--no-links` leaves them out."
        )


@main.command()
@click.argument("sql")
@format_option
def query(sql: str, format_: str) -> None:
    """Run one SQL statement on the published file, read only.

    \b
    clipmart query "SELECT moment_type, count(*) FROM klipit.clips GROUP BY ALL"
    """
    from pipelines.reports.query import answer

    for text in answer(load_settings(), sql, format_, _width()):
        _print_rows(text, format_)


@main.command()
@click.option("--check", is_flag=True, help="End with 1 where something fails its threshold.")
@as_json
def status(check: bool, as_json: bool) -> None:
    """Say how far the syncs are, how fresh, and what needs a look.

    Reads only; 0 whatever it finds, unless --check is given.

    \b
    clipmart status
    clipmart status --check
    """
    from pipelines.health.status import status as read
    from pipelines.health.status import status_lines

    found = read(load_settings())
    if as_json:
        print_json(found)
    else:
        for line in status_lines(found, _width(), _painted):
            print_rendered(f"{line}\n")
    if check and found["level"] == "fail":
        click.get_current_context().exit(1)


@main.command()
@as_json
def doctor(as_json: bool) -> None:
    """Look whether all is well, and say what to do where it is not.

    Asks each API one or two questions that cost nothing. Exit code: the worst line's.

    \b
    clipmart doctor
    """
    from pipelines.health.checks import Check, check_lines, exit_code, worst_level

    try:
        from pipelines.health.doctor import doctor as examine

        checks = examine(load_settings())
    except FixConfiguration as error:
        checks = [Check("settings", "fail", str(error), "Then look again: `clipmart doctor`.", 3)]
    level, code = worst_level(check.level for check in checks), exit_code(checks)
    if as_json:
        told = [check.as_json() for check in checks]
        print_json({"level": level, "exit_code": code, "checks": told})
    else:
        for line in check_lines(checks, _width(), _painted):
            print_rendered(f"{line}\n")
    click.get_current_context().exit(code)


class _Credits(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if any(re.match(r"-[.\d]", argument) for argument in args):
            raise _no_balance()  # click would take it for an option
        return super().parse_args(ctx, args)


def _no_balance() -> Unusable:
    return Unusable(
        "A balance is the number of credits left, 0 or more, not a change. Nothing was recorded. "
        "For example: `clipmart credits 120`. To take back the last one: `clipmart credits --undo`."
    )


@main.command(cls=_Credits)
@click.argument("balance", type=float, required=False)
@click.option("--at", help="When it was so, as an ISO 8601 instant; now by default.")
@click.option("--force", is_flag=True, help="Also where it differs 100 times from the last.")
@click.option("--undo", is_flag=True, help="Take back the balance that was noted last.")
def credits(balance: float | None, at: str | None, force: bool, undo: bool) -> None:
    """Note a credit balance by hand, where Klipit's API reports none.

    Reports leave it out for 7 days after a balance from the API, and once the API reports again.

    \b
    clipmart credits 120
    clipmart credits 80.5 --at 2026-04-08T12:00:00Z
    clipmart credits --undo
    """
    from pipelines.ids.credits import note_balance, take_back

    settings = load_settings()
    if undo:
        if balance is not None or at or force:
            raise Unusable("--undo goes alone: `clipmart credits --undo`. Nothing was changed.")
        say(take_back(settings))
        return
    if balance is None or not 0 <= balance < 1e15:
        raise _no_balance()
    now = settings.now()
    try:
        instant = parse_instant(at) if at else now
    except ValueError as error:
        raise Unusable(
            "--at is no ISO 8601 instant. Nothing was recorded. For example: "
            f"`clipmart credits {balance:g} --at 2026-04-08T12:00:00Z`."
        ) from error
    if instant > now:
        raise Unusable(
            "--at lies in the future. Nothing was recorded. Without it the balance counts for now: "
            f"`clipmart credits {balance:g}`."
        )
    say(note_balance(settings, balance, instant, force=force))


@main.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def publish(file: Path | None) -> None:
    """Build and publish what is landed, or write a copy to FILE.

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
        if file is None:
            for line in _landed_again(settings):
                say(line)
            _published_before(settings)
            publishing.publish(settings)
        else:
            publishing.export_copy(settings, file)
    print_line(f"published {file.absolute() if file else settings.published}")


@main.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def docs(file: Path | None) -> None:
    """Write the data dictionary: every table and column, on one page.

    Without FILE it is dictionary.html in the data folder. Works before anything is published.

    \b
    clipmart docs
    clipmart docs dictionary.html
    """
    from pipelines.files import refuse_own_file
    from pipelines.reports.dictionary import write

    settings = load_settings()
    file = file or settings.data_dir / "dictionary.html"
    refuse_own_file(settings, file)
    print_line(write(settings, file))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@port_option(8787)
def listen(host: str, port: int) -> None:
    """Receive webhooks until stopped; behind a proxy that speaks TLS.

    An event makes its job due; the next sync fetches it.

    \b
    clipmart listen
    clipmart listen --port 9000
    """
    from pipelines.webhooks.receiver import listen as run

    run(load_settings(), host, port)


@main.group()
def schedule() -> None:
    """Print what cron or systemd need to run this checkout.

    \b
    clipmart schedule cron
    clipmart schedule systemd --write units
    """


notify_option = click.option(
    "--notify", metavar="URL", help="Where each sync posts what goes wrong, as `sync --notify`."
)


@schedule.command("cron")
@notify_option
def schedule_cron(notify: str | None) -> None:
    """Print lines for `crontab -e`: a sync every quarter of an hour.

    \b
    clipmart schedule cron
    clipmart schedule cron --notify https://hooks.example.com/clipmart
    """
    from pipelines.schedule import units as scheduling

    settings = load_settings()
    if notify:
        scheduling.check_notify(notify)
    print_lines(scheduling.crontab(scheduling.this_place(settings), notify))
    for remark in scheduling.remarks(settings):
        say(remark)


@schedule.command("systemd")
@click.option(
    "--write",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the files there instead of printing them.",
)
@notify_option
def schedule_systemd(write: Path | None, notify: str | None) -> None:
    """Print units: a sync, its timer, and the receiver of webhooks.

    \b
    clipmart schedule systemd --write units
    sudo cp units/* /etc/systemd/system/ && sudo systemctl daemon-reload
    sudo systemctl enable --now clipmart-sync.timer
    """
    from pipelines.schedule import units as scheduling

    settings = load_settings()
    if notify:
        scheduling.check_notify(notify)
    units = scheduling.systemd_units(scheduling.this_place(settings), notify)
    if write is None:
        print_lines("\n".join(f"# {name}\n{unit}" for name, unit in units.items()))
    else:
        for path in scheduling.write_units(units, write):
            print_line(path)
    for remark in scheduling.remarks(settings):
        say(remark)


@main.command()
@click.option("--replay", is_flag=True, help="Read the kept payloads again by today's rules.")
@as_json
def rejected(replay: bool, as_json: bool) -> None:
    """Tell which records did not land, and why.

    \b
    clipmart rejected
    clipmart rejected --replay
    """
    from pipelines.repair import replay as quarantine

    settings = load_settings()
    if replay:
        outcome = quarantine.replay(settings)
        if as_json:
            print_json(vars(outcome))
        else:
            print_line(
                f"{outcome.landed} landed, {outcome.outdated} outdated by newer answers, "
                f"{outcome.still_rejected} still rejected"
            )
        return
    rows = quarantine.rejected(settings)
    if as_json:
        names = quarantine.COLUMNS
        print_json({"rejected": [dict(zip(names, map(str, r), strict=True)) for r in rows]})
        return
    for seen_at, source, endpoint, id_, reason in rows:
        print_line(f"{seen_at:%Y-%m-%d %H:%M}Z  {source} {endpoint} {id_}: {reason}")
    say(f'{len(rows)} rejected. Payloads: `clipmart query "FROM clipmart.rejected_records"`.')


@main.command()
@click.option("--force", is_flag=True, help="Rebuild the landing store even if it seems sound.")
def recover(force: bool) -> None:
    """Check the stored data, and rebuild what is damaged.

    Reads every block of the landing store and every row of the ledger, and saves all that can be
    read. A damaged file is moved aside, never deleted.

    \b
    clipmart recover
    clipmart recover --force
    """
    from pipelines.repair.recover import recover as run

    with stop.deferred():
        done = run(load_settings(), force=force)
    for line in done or ["Nothing is damaged; nothing was changed."]:
        print_line(line)


@main.command()
@as_json
def migrate(as_json: bool) -> None:
    """Copy this data folder into the lake that machines share.

    Its ledger goes into the shared one. Checks counts and sums; the files stay, and it may be
    repeated. See docs/lake.md.

    \b
    clipmart migrate
    """
    from pipelines.repair.migrate import migrate as run

    settings = load_settings()
    done = run(settings)
    if as_json:
        print_json(asdict(done))
        return
    for table in done.tables:
        kept = f", {table.outdated} newer there" if table.outdated else ""
        print_line(f"{table.table:<28} {table.rows:>9} rows: {table.copied} copied{kept}")
    print_line(f"{'ledger':<28} {done.events:>9} events: {done.new_events} copied")
    say(f"Counts and sums agree; published {settings.published}. The files here stay as they are.")


@main.command()
@port_option(8900)
@click.option("--history", is_flag=True, help="Start with a month of use.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other data for another seed.")
def sandbox(port: int, history: bool, seed: int) -> None:
    """Serve both APIs here, with made-up data, until stopped.

    \b
    clipmart sandbox --history
    """
    from pipelines.program import command_line
    from sandbox import Sandbox
    from sandbox.server import preload, serve

    world = Sandbox(seed=seed)
    if history:
        preload(world)
    click.get_current_context().exit(serve(port, sandbox=world, clipmart=command_line()))


@main.command()
def demo() -> None:
    """Let a month of made-up use pass and report on it, without a key.

    \b
    clipmart demo
    """
    from pipelines.demo import run_demo

    run_demo(load_settings())


def _width() -> int:
    """The terminal's width; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def _print_rows(text: str, format_: str) -> None:
    (print_csv if format_ == "csv" else print_rendered)(text)


def _painted(level: str) -> str:
    """A level in its colour; click leaves colours out where the output is no terminal."""
    if os.environ.get("NO_COLOR"):
        return level
    return click.style(level, fg={"ok": "green", "warn": "yellow", "fail": "red"}[level])


def _landed_again(settings: Settings) -> list[str]:
    if settings.landing.exists():
        return []
    from pipelines.repair.recover import recover_locked

    return recover_locked(settings)


def _published_before(settings: Settings) -> None:
    if settings.lake is None and not settings.landing.exists():
        raise FixConfiguration(
            f"Nothing has landed in {settings.landing}, so there is nothing to publish. "
            "Run `clipmart sync` first."
        )


def _text_of(source: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        # Excel's "Unicode text" is UTF-16 with a byte order mark.
        return raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unusable(
            f"{source} is not UTF-8 text. Nothing was recorded. Save it as UTF-8 (in Excel: Save "
            "As, CSV UTF-8) and run the command again."
        ) from error
    except OSError as error:
        raise Unusable(
            f"{source} cannot be read ({error.strerror}). Nothing was kept. Check the file's name."
        ) from error


def _exit_with(error: ClipmartError | None) -> None:
    if error is not None:
        say(f"clipmart: {error}")
        click.get_current_context().exit(error.exit_code)
