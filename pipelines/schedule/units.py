"""What cron and systemd need to run clipmart from here: absolute paths, quoted for each of them.

Keys are not included: clipmart reads `.env` in its working folder.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pipelines.files import write_whole
from pipelines.program import program_path, runs_by_uvx
from pipelines.settings import Settings, load_settings
from sources.shared.errors import FixConfiguration, Unusable

MINUTES = 15  # between two syncs
MAX_MINUTES = 14  # so that each ends, and publishes, before the next begins
LOG_BLOCKS = 10_240  # of 512 bytes, as find counts: cron's sync.log is moved aside above 5 MiB
UNITS = (
    "clipmart-sync.service",
    "clipmart-sync.timer",
    "clipmart-listen.service",
    "clipmart-failed@.service",
)


@dataclass(frozen=True)
class Place:
    """Where a scheduled clipmart runs; all paths are absolute."""

    program: Path
    folder: Path
    """The working folder, where `.env` and `.dlt/` are."""
    data_dir: Path
    user: str
    metrics_dir: Path | None = None
    """The folder of the file for Prometheus, if it is not the data folder."""


def this_place(settings: Settings) -> Place:
    """This program, the working folder, and the owner of the data folder, or of the working one.

    Raises:
        FixConfiguration: a path that a unit or crontab cannot contain, or no program to start.
    """
    program = program_path()
    if runs_by_uvx():
        raise FixConfiguration(
            f"{program} is in uv's cache, which may be cleared, so a schedule cannot rely on it. "
            "Nothing was written. Run `uv tool install clipmart`, then the command again without "
            "`uvx`."
        )
    if not program.exists():
        raise FixConfiguration(
            f"{program} does not exist, so there is nothing to schedule. Nothing was written. "
            "Install clipmart, then run the command again as its own program."
        )
    folder = Path.cwd()
    metrics_dir = settings.metrics.parent if settings.metrics else settings.data_dir
    for path in (program, folder, settings.data_dir, metrics_dir):
        if re.search(r"[\x00-\x1f\x7f\\\"'$]|\s$", str(path)):
            raise FixConfiguration(
                f"{str(path)!r} has a quote, $, a backslash, a control character or a space at "
                "its end, which units and crontabs read differently. Nothing was written. "
                "Rename that folder, then run the command again."
            )
    owned_path = settings.data_dir if settings.data_dir.exists() else folder
    elsewhere = metrics_dir if metrics_dir != settings.data_dir else None
    return Place(program, folder, settings.data_dir, _owner(owned_path), elsewhere)


def remarks(settings: Settings) -> list[str]:
    """What to do before a scheduled sync can work; usually nothing."""
    in_file = load_settings(environ={}).secrets
    lines = [
        f"{name} is set in this shell only, so a scheduled clipmart would not have it. Write it "
        f"to {Path.cwd()}/.env."
        for name, value in settings.secrets.items()
        if value and not in_file[name]
    ]
    if not settings.data_dir.exists():
        folder = shlex.quote(str(settings.data_dir))
        lines.append(f"The data folder must exist before systemd starts: mkdir -p {folder}")
    return lines


def watching(notify: str | None, ping: str | None) -> dict[str, str]:
    """The options of a scheduled sync for what watches it, with their addresses.

    Raises:
        Unusable: `sync` would refuse an address, or a unit cannot contain it; the message leaves
            it out, since it may hold a secret.
    """
    from pipelines.health.post import check_address

    addresses = {"--notify": notify, "--ping": ping}
    options = {option: url for option, url in addresses.items() if url}
    for option, url in options.items():
        check_address(url, option)
        if re.search(r"[^\x21-\x7e]|[\\\"'`]", url):
            raise Unusable(
                f"{option} has a quote, a backslash or a character that a URL percent-encodes. "
                "Nothing was written. Percent-encode it, then run the command again."
            )
    return options


def crontab(place: Place, options: Mapping[str, str] = MappingProxyType({})) -> str:
    """Lines for `crontab -e`; the options are those of `watching`.

    A sync's output goes to sync.log, which becomes sync.log.1 when it is large. If the sync fails,
    cron mails the last lines; 75 is not a failure: the next sync continues.
    """
    return _rendered("crontab", place, options)


def systemd_units(
    place: Place, options: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """The units by file name: a sync, its timer, the receiver, and what reports their failures."""
    return {name: _rendered(name, place, options) for name in UNITS}


def write_units(units: dict[str, str], folder: Path) -> list[Path]:
    """Write them into a folder, which is created.

    Raises:
        Unusable: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, unit in units.items():
            write_whole(folder / name, unit)
    except OSError as error:
        raise Unusable(
            f"{folder} cannot be written ({error.strerror}). Units may be missing there. Write "
            "them to a folder of your own and copy them with sudo."
        ) from error
    return [folder / name for name in units]


def _rendered(name: str, place: Place, options: Mapping[str, str]) -> str:
    """A file of `templates/`, filled in."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - no HTML; the filters quote
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cron": _cron_word, "word": _unit_word, "value": _unit_value}
    return environment.get_template(f"{name}.j2").render(
        place=place,
        options=options,
        minutes=MINUTES,
        max_minutes=MAX_MINUTES,
        log_blocks=LOG_BLOCKS,
    )


def _owner(path: Path) -> str:
    import pwd  # which Windows lacks: the commands can be listed there

    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a user without a name, as in some containers; systemd accepts the number too
        return str(uid)


def _cron_word(text: object) -> str:
    """A word for cron's shell; cron itself ends a command at a bare %."""
    return shlex.quote(str(text)).replace("%", r"\%")


def _unit_word(text: object) -> str:
    """A quoted word in a unit's line."""
    return '"' + _unit_value(text) + '"'


def _unit_value(text: object) -> str:
    """A unit's value up to the end of its line."""
    return str(text).replace("%", "%%")
