"""Commands as separate processes whose imports happen once: each is a fork of one process.

Run as a program, it imports the modules that are named. Then each line on stdin is {"folder",
"environ", "arguments", "output"}, which starts a command that writes to `output`.out and
`output`.err and prints its process id; or {"wait": id}, which prints its exit code. A process that
was not awaited is a zombie, so its id is not reused: it may be killed at any moment.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipelines.cli import main
from tests.support.clipmart import Clipmart, Outcome
from tests.support.demo_run import clean_environment


class ForkedCommands:
    """Starts them.

    Args:
        preloaded: modules that every command would import.
    """

    def __init__(self, *preloaded: str) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked_commands", *preloaded],
            cwd=Path(__file__).parents[2],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started = 0

    def __enter__(self) -> ForkedCommands:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate(timeout=60)

    def start(self, clipmart: Clipmart, *arguments: str) -> tuple[int, str]:
        """The process id, and where it writes (without .out and .err)."""
        self._started += 1
        output = str(clipmart.folder / f"output-{self._started}")
        for stream in ("out", "err"):
            Path(f"{output}.{stream}").touch()  # a child that is killed at once creates neither
        command = {"folder": str(clipmart.folder), "environ": clipmart.environ, "output": output}
        return self._send({**command, "arguments": arguments}), output

    def wait(self, started: tuple[int, str]) -> Outcome:
        process_id, output = started
        code = self._send({"wait": process_id})
        return Outcome(code, Path(f"{output}.out").read_text(), Path(f"{output}.err").read_text())

    def _send(self, message: dict[str, Any]) -> int:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(message) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())


def serve() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "wait" in message:
            _, status = os.waitpid(message["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if child == 0:
            for number, name in ((1, "out"), (2, "err")):
                path = f"{message['output']}.{name}"
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            os.chdir(message["folder"])
            os.environ.update(message["environ"])
            code: object = 1
            try:
                main(message["arguments"], prog_name="clipmart")
            except SystemExit as ended:
                code = ended.code
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 0)
        print(child, flush=True)


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    serve()
