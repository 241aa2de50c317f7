"""The command line. Results go to stdout, everything else to stderr; each command imports its own.

Exit codes: 0 done; 1 some items failed; 2 usage; 3 configuration or a refused key; 75 try later.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from contextlib import suppress
from typing import Any

import click

from pipelines.output import say

from . import agents, demo, ids, listen, operate, read, submit, sync
from .failures import CommandGroup

TASKS: dict[str, tuple[click.Command, ...]] = {
    "Set up": (
        *(demo.demo, operate.doctor, ids.track, ids.untrack),
        *(submit.submit, listen.listen, operate.schedule, operate.notify, demo.sandbox),
    ),
    "Every day": (
        *(sync.sync, sync.status, read.report, read.query),
        *(agents.mcp, submit.export, ids.credits),
    ),
    "Look closer, repair, move": (
        *(ids.ids, read.docs, read.models, read.notebooks, operate.rejected),
        *(sync.publish, operate.recover, operate.migrate),
    ),
}
"""Every command, by what it is for."""


@click.group(
    cls=CommandGroup,
    tasks=TASKS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(package_name="clipmart")
def main() -> None:
    """Klipit clips and Clipus videos in DuckDB, ready to query.

    \b
    clipmart track klipit --from jobs.csv   register ids; then clipmart sync
    clipmart COMMAND --help                 more, with examples
    """


def run() -> None:
    """The command as a process, which ends as soon as it is done.

    A command is short: garbage collection over the objects of dlt and Arrow, and their
    deallocation at exit, cost a second of a sync and free nothing that matters.
    """
    gc.set_threshold(100_000, 50, 100)
    code: Any = 1
    try:
        main(prog_name="clipmart")
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        for line in traceback.format_exc().splitlines():
            say(line, "error")
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
