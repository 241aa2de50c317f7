"""`submit` and `export`: what costs credits or quota."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.output import print_json, print_line, say
from pipelines.settings import Settings, load_settings

from .options import again_option, json_option, wait_option
from .terminal import end_with


@click.group()
def submit() -> None:
    """Submit an episode or a page, once. It costs credits or quota.

    The id goes to stdout. If the answer is lost, the submission is recorded as 'outcome unknown'
    and never sent again automatically.

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
@again_option
@wait_option
@json_option
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
@again_option
@wait_option
@json_option
def submit_clipus(again: bool, wait: bool, as_json: bool, **fields: Any) -> None:
    """Submit a product's page; prints its campaign's id. Clipus may take 300 s to answer.

    \b
    clipmart submit clipus --url https://example.com --language en --language ja
    """
    from pipelines.service import CLIPUS
    from pipelines.submissions.request import clipus_request

    settings = load_settings()
    request = clipus_request(
        token=settings.clipus_webhook_token, api=settings.base_url(CLIPUS.name), **fields
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
    else:
        end_with(done.error)


@click.command()
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
@json_option
def export(
    job_id: str, platform: str | None, format_: str, download: Path | None, as_json: bool
) -> None:
    """Request a job's clips from Klipit as one file, once.

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
    else:
        end_with(done.error)
