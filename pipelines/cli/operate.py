"""`doctor`, `schedule`, `notify`, `rejected`, `recover`, `migrate`: for operating clipmart."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from pipelines import stop
from pipelines.output import counted, print_line, print_lines, say
from pipelines.settings import load_settings, notify_address
from sources.shared.errors import FixConfiguration

from .options import json_option, watch_options
from .terminal import coloured, end, print_result, terminal_width


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check the set-up, and say how to fix what is wrong.

    Sends each API one or two requests that cost nothing. Exit code: the worst check's.

    \b
    clipmart doctor
    """
    from pipelines.health.checks import Check, check_lines, exit_code, worst_level

    try:
        from pipelines.health.doctor import doctor as examine

        checks = examine(load_settings())
    except FixConfiguration as error:
        checks = [Check("settings", "fail", str(error), "Then check again: `clipmart doctor`.", 3)]
    level, code = worst_level(check.level for check in checks), exit_code(checks)
    findings = {
        "level": level,
        "exit_code": code,
        "checks": [check.as_json() for check in checks],
    }
    lines = check_lines(checks, terminal_width(), coloured)
    print_result(findings, lines, as_json=as_json, rendered=True)
    end(code)


units_watch_options = watch_options(
    "Where each sync posts what goes wrong, as `sync --notify`.",
    "Where each sync reports start, success and failure, as `sync --ping`.",
)


@click.group()
def schedule() -> None:
    """Print what cron or systemd need to run clipmart from here.

    \b
    clipmart schedule cron
    clipmart schedule systemd --write units
    """


@schedule.command("cron")
@units_watch_options
def schedule_cron(notify: str | None, ping: str | None) -> None:
    """Print lines for `crontab -e`: a sync every quarter of an hour.

    \b
    clipmart schedule cron
    clipmart schedule cron --notify https://hooks.example.com/clipmart
    """
    from pipelines.schedule import units as scheduling

    settings = load_settings()
    options = scheduling.watching(notify, ping)
    print_lines(scheduling.crontab(scheduling.this_place(settings), options))
    for remark in scheduling.remarks(settings):
        say(remark)


@schedule.command("systemd")
@click.option(
    "--write",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the files there instead of printing them.",
)
@units_watch_options
def schedule_systemd(write: Path | None, notify: str | None, ping: str | None) -> None:
    """Print units: a sync, its timer, the receiver, a report of failures.

    \b
    clipmart schedule systemd --write units
    sudo cp units/* /etc/systemd/system/ && sudo systemctl daemon-reload
    sudo systemctl enable --now clipmart-sync.timer
    """
    from pipelines.schedule import units as scheduling

    settings = load_settings()
    options = scheduling.watching(notify, ping)
    units = scheduling.systemd_units(scheduling.this_place(settings), options)
    if write is None:
        print_lines("\n".join(f"# {name}\n{unit}" for name, unit in units.items()))
    else:
        for path in scheduling.write_units(units, write):
            print_line(path)
    for remark in scheduling.remarks(settings):
        say(remark)


@click.command()
@click.argument("text")
def notify(text: str) -> None:
    """Post TEXT to the address in CLIPMART_NOTIFY.

    It shows whether the address works, and lets other programs use it.

    \b
    clipmart notify "A test: this is where problems will be posted."
    """
    from pipelines.health.notify import notify_text
    from pipelines.health.post import check_address

    url = notify_address()
    if url is None:
        raise FixConfiguration(
            "CLIPMART_NOTIFY is not set, so nothing was posted. Set it to an address such as "
            "https://ntfy.sh/TOPIC, in the environment or in .env."
        )
    check_address(url, "CLIPMART_NOTIFY")
    settings = None
    with suppress(FixConfiguration):  # a setting that cannot be used may be what is reported
        settings = load_settings()
    notify_text(settings, url, text)


@click.command()
@click.option(
    "--replay", is_flag=True, help="Load the saved payloads again by this version's rules."
)
@json_option
def rejected(replay: bool, as_json: bool) -> None:
    """List the records that did not land, and why.

    \b
    clipmart rejected
    clipmart rejected --replay
    """
    from pipelines.repair import replay as quarantine

    settings = load_settings()
    if replay:
        outcome = quarantine.replay(settings)
        line = (
            f"{outcome.landed} landed, {outcome.outdated} outdated by newer answers, "
            f"{outcome.still_rejected} still rejected"
        )
        print_result(vars(outcome), [line], as_json=as_json)
        return
    rows = quarantine.rejected(settings)
    records = [dict(zip(quarantine.COLUMNS, map(str, row), strict=True)) for row in rows]
    lines = (
        f"{seen_at:%Y-%m-%d %H:%M}Z  {source} {endpoint} {id_}: {reason}"
        for seen_at, source, endpoint, id_, reason in rows
    )
    print_result({"rejected": records}, lines, as_json=as_json)
    if not as_json:
        say(f'{len(rows)} rejected. Payloads: `clipmart query "FROM clipmart.rejected_records"`.')


@click.command()
@click.option("--force", is_flag=True, help="Rebuild the landing store even if it is not damaged.")
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


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Copy this data folder into the lake that machines share.

    Adds its ledger to the shared one, and compares counts and sums. The files here stay, and the
    command may be repeated. See docs/lake.md.

    \b
    clipmart migrate
    """
    from pipelines.repair.migrate import migrate as run

    settings = load_settings()
    done = run(settings)
    lines = [
        f"{table.table:<28} {counted(table.rows, 'row'):>14}: {table.copied} copied"
        + (f", {table.outdated} newer in the lake" if table.outdated else "")
        for table in done.tables
    ]
    lines.append(f"{'ledger':<28} {counted(done.events, 'event'):>14}: {done.new_events} copied")
    print_result(asdict(done), lines, as_json=as_json)
    if not as_json:
        say(
            f"Counts and sums agree; published {settings.published}. The files here stay as they "
            "are."
        )
