"""What cron and systemd need to run this checkout: absolute paths, quoted as each of them reads.

Keys are not in it: clipmart reads `.env` in its working folder by itself.
"""

from __future__ import annotations

import pwd
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from pipelines.files import write_whole
from pipelines.program import program_path
from pipelines.settings import Settings, load_settings
from sources.shared.errors import FixConfiguration, Unusable

MINUTES = 15  # between two syncs
MAX_MINUTES = 14  # so that each ends, and publishes, before the next begins


@dataclass(frozen=True)
class Place:
    """Where a scheduled clipmart runs; all paths are absolute."""

    program: Path
    folder: Path
    """The working folder, where `.env` and `.dlt/` are."""
    data_dir: Path
    user: str


def this_place(settings: Settings) -> Place:
    """This checkout, the folder one stands in, and whoever owns the data (or the folder).

    Raises:
        FixConfiguration: a path that a unit or a crontab cannot hold, or no program to start.
    """
    program = program_path()
    if not program.exists():
        raise FixConfiguration(
            f"{program} does not exist, so there is nothing to schedule. Nothing was written. Run "
            "`make install`, then the command again as `.venv/bin/clipmart`."
        )
    folder = Path.cwd()
    for path in (program, folder, settings.data_dir):
        if re.search(r"[\x00-\x1f\x7f\\\"'$]|\s$", str(path)):
            raise FixConfiguration(
                f"{str(path)!r} holds a quote, $, a backslash, a control character or a space at "
                "its end, which units and crontabs read in ways of their own. Nothing was written. "
                "Rename that folder, then run the command again."
            )
    owned = settings.data_dir if settings.data_dir.exists() else folder
    return Place(program, folder, settings.data_dir, _owner(owned))


def remarks(settings: Settings) -> list[str]:
    """What to do before a scheduled sync can work; nothing, usually."""
    filed = load_settings(environ={}).secrets
    lines = [
        f"{name} is set in this shell alone, so a scheduled clipmart would not have it. Write it "
        f"into {Path.cwd()}/.env."
        for name, value in settings.secrets.items()
        if value and not filed[name]
    ]
    if not settings.data_dir.exists():
        folder = shlex.quote(str(settings.data_dir))
        lines.append(f"The data folder must exist before systemd starts: mkdir -p {folder}")
    return lines


def check_notify(url: str) -> None:
    """Refuse an address that `sync --notify` would, or that a unit cannot hold.

    Raises:
        Unusable: without the address, which may hold a secret.
    """
    from pipelines.health.notify import check_url

    check_url(url)
    if re.search(r"[^\x21-\x7e]|[\\\"'`]", url):
        raise Unusable(
            "--notify has a quote, a backslash or a character that an address writes in percent. "
            "Nothing was written. Write it so, and run the command again."
        )


def crontab(place: Place, notify: str | None = None) -> str:
    """Lines for `crontab -e`; `notify` is where a sync posts what goes wrong.

    What a sync prints goes to sync.log; of one that failed, cron mails the last lines. 75 is no
    failure: the next one goes on.
    """
    folder, data, program, log = (
        _cron(str(path))
        for path in (place.folder, place.data_dir, place.program, place.data_dir / "sync.log")
    )
    told = f" --notify {_cron(notify)}" if notify else ""
    return f"""\
# clipmart: every {MINUTES} minutes whatever is due. Paste this into `crontab -e`. Keys stand in
# .env in the folder below. What goes wrong is mailed; to whom, says a line above it such as
# MAILTO=you@example.com
*/{MINUTES} * * * * cd {folder} && mkdir -p {data} && {{ date; CLIPMART_DATA_DIR={data} {program} \
sync --max-minutes {MAX_MINUTES}{told}; }} >>{log} 2>&1 || test $? -eq 75 || tail -n 5 {log}
"""


def systemd_units(place: Place, notify: str | None = None) -> dict[str, str]:
    """The units by file name: a sync and its timer, and the receiver of webhooks."""
    told = f" --notify {_word(notify).replace('$', '$$')}" if notify else ""
    return {
        "clipmart-sync.service": f"""\
[Unit]
Description=clipmart: fetch whatever is due, publish it
Wants=network-online.target time-sync.target
After=network-online.target time-sync.target

[Service]
Type=oneshot
ExecStart={_word(place.program)} sync --max-minutes {MAX_MINUTES}{told}
# Try again later: another sync runs, or an API is down. The timer does.
SuccessExitStatus=75
TimeoutStartSec=30min
{_confined(place)}""",
        "clipmart-sync.timer": f"""\
[Unit]
Description=clipmart: every {MINUTES} minutes

[Timer]
OnCalendar=*:0/{MINUTES}
RandomizedDelaySec=60
Persistent=true

[Install]
WantedBy=timers.target
""",
        "clipmart-listen.service": f"""\
[Unit]
Description=clipmart: receive webhooks
Wants=network-online.target time-sync.target
After=network-online.target time-sync.target

[Service]
ExecStart={_word(place.program)} listen
Restart=on-failure
RestartSec=5
# Configuration: a restart mends nothing.
RestartPreventExitStatus=3
TimeoutStopSec=15
{_confined(place)}
[Install]
WantedBy=multi-user.target
""",
    }


def write_units(units: dict[str, str], folder: Path) -> list[Path]:
    """Write them into a folder, which is made.

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
            "them to a folder of yours and copy them with sudo."
        ) from error
    return [folder / name for name in units]


def _confined(place: Place) -> str:
    """What both services share. `.env` is read by clipmart: systemd reads such files otherwise."""
    return f"""\
User={place.user}
WorkingDirectory={_whole(place.folder)}
Environment={_word(f"CLIPMART_DATA_DIR={place.data_dir}")}
# It writes below its data folder alone, and has no right that its user lacks.
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={_word(place.data_dir)}
PrivateTmp=true
PrivateDevices=true
NoNewPrivileges=true
CapabilityBoundingSet=
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""


def _owner(path: Path) -> str:
    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a user without a name, as in some containers; systemd takes the number too
        return str(uid)


def _cron(text: str) -> str:
    """A word of cron's shell; cron itself ends a command at a bare %."""
    return shlex.quote(text).replace("%", r"\%")


def _word(text: object) -> str:
    """A word of a unit's line."""
    return '"' + _whole(text) + '"'


def _whole(text: object) -> str:
    """A unit's value that reaches to the end of its line."""
    return str(text).replace("%", "%%")
