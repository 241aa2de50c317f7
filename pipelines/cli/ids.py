"""`track`, `untrack`, `ids`, `credits`: what a person registers by hand."""

from __future__ import annotations

import re

import click

from pipelines.output import print_csv, say
from pipelines.settings import load_settings
from sources.shared.errors import Unusable
from sources.shared.values import instant

from .options import service_argument
from .terminal import end


@click.command()
@service_argument
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
    """Register ids. The next sync fetches them.

    \b
    clipmart track klipit job_01hx3k9q2d7p8r4t
    clipmart track clipus --from campaigns.csv
    """
    from pipelines.ids.track import track_ids

    settings = load_settings()
    if intent is not None and (len(ids) != 1 or source):
        raise Unusable(
            "--intent takes exactly one ID. Nothing was recorded. The form is "
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
        f"{service}: {outcome.recorded} recorded ({outcome.new} new to the ledger), "
        f"{len(outcome.refused)} refused. Run `clipmart sync` to fetch them."
    )
    if outcome.refused:
        end(1)


@click.command()
@service_argument
@click.argument("ids", nargs=-1, required=True)
def untrack(service: str, ids: tuple[str, ...]) -> None:
    """Stop polling and counting ids.

    Rows that have landed stay. `track` registers the ids again.

    \b
    clipmart untrack klipit job_01hx3k9q2d7p8r4t
    """
    from pipelines.ids.track import untrack_ids

    unknown = untrack_ids(load_settings(), service, ids)
    for id_ in unknown:
        say(f"not tracked: {id_}. `clipmart ids {service}` lists those that are.")
    say(f"{service}: {len(set(ids)) - len(unknown)} untracked. The next sync leaves them out.")
    if unknown:
        end(1)


@click.command()
@service_argument
def ids(service: str) -> None:
    """Print a service's known ids as CSV; `track --from` reads it.

    \b
    clipmart ids klipit >ids.csv
    """
    from pipelines.ids.track import known_ids

    for lines in known_ids(load_settings(), service):
        print_csv(lines)


class _Credits(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if any(re.match(r"-[.\d]", argument) for argument in args):
            raise _no_balance()  # click would take it for an option
        return super().parse_args(ctx, args)


@click.command(cls=_Credits)
@click.argument("balance", type=float, required=False)
@click.option("--at", help="Time of the balance, in ISO 8601; now by default.")
@click.option("--force", is_flag=True, help="Accept a balance far from the last one.")
@click.option("--undo", is_flag=True, help="Take back the last balance recorded by hand.")
def credits(balance: float | None, at: str | None, force: bool, undo: bool) -> None:
    """Record a credit balance by hand, if Klipit's API reports none.

    Reports leave it out for 7 days after a balance from the API, and once the API reports again.

    \b
    clipmart credits 120
    clipmart credits 80.5 --at 2026-04-08T12:00:00Z
    clipmart credits --undo
    """
    from pipelines.ids.credits import record_balance, undo_last_balance

    settings = load_settings()
    if undo:
        if balance is not None or at or force:
            raise Unusable(
                "--undo takes no balance and no other option. Nothing was changed. Run "
                "`clipmart credits --undo`."
            )
        say(undo_last_balance(settings))
        return
    if balance is None or not 0 <= balance < 1e15:
        raise _no_balance()
    now = settings.now()
    try:
        observed_at = instant(at) if at else now
    except ValueError as error:
        raise Unusable(
            "--at is not an ISO 8601 instant. Nothing was recorded. For example: "
            f"`clipmart credits {balance:g} --at 2026-04-08T12:00:00Z`."
        ) from error
    if observed_at > now:
        raise Unusable(
            "--at is in the future. Nothing was recorded. Without --at, the balance is of now: "
            f"`clipmart credits {balance:g}`."
        )
    say(record_balance(settings, balance, observed_at, force=force))


def _no_balance() -> Unusable:
    return Unusable(
        "A balance is the number of credits left, 0 or more, not a change. Nothing was recorded. "
        "For example: `clipmart credits 120`. To take back the last one: `clipmart credits --undo`."
    )


def _text_of(source: str) -> str:
    try:
        with click.open_file(source, "rb") as file:
            raw: bytes = file.read()
        # Excel's "Unicode text" is UTF-16 with a byte order mark.
        return raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unusable(
            f"{source} is not UTF-8 text. Nothing was recorded. Save it as UTF-8 (in Excel: Save "
            "As, CSV UTF-8) and run the command again."
        ) from error
    except OSError as error:
        raise Unusable(
            f"{source} cannot be read ({error.strerror}). Nothing was recorded. Check the file's "
            "name."
        ) from error
