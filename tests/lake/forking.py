"""Run as a program: a machine's commands as processes of their own, whose imports are paid once.

For each line on stdin: {"folder", "environ", "arguments", "told"} forks a process that runs the
command and tells into the files `told`.out and `told`.err, and prints its number; {"wait": number}
prints how it ended. A process that was not awaited is a zombie, so that its number stays its own.
"""

from __future__ import annotations

import json
import os
import sys

import dlt  # noqa: F401 - paid before the fork, like the next ones
import psycopg  # noqa: F401
import sqlalchemy  # noqa: F401

from pipelines.cli import main


def serve() -> None:
    import pipelines.landing.lake_destination  # noqa: F401

    for line in sys.stdin:
        told = json.loads(line)
        if "wait" in told:
            _, status = os.waitpid(told["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if child == 0:
            for number, name in ((1, "out"), (2, "err")):
                file = os.open(f"{told['told']}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(file, number)
            os.chdir(told["folder"])
            os.environ.update(told["environ"])
            code: object = 1
            try:
                main(told["arguments"], prog_name="clipmart")
            except SystemExit as ended:
                code = ended.code
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 0)
        print(child, flush=True)


if __name__ == "__main__":
    serve()
