"""Commands as separate processes whose imports happen once: each is a fork of one process.

Run as a program, it imports the modules that are named. Then each line on stdin is {"folder",
"environ", "arguments", "output"}, which starts a command that writes to `output`.out and
`output`.err and prints its process id; or {"wait": id}, which prints its exit code, CPU seconds,
memory at most (KiB) and the files that it had open in the end. A process that was not awaited is a
zombie, so its id is not reused: it may be killed at any moment.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.cli import main
from tests.support.clipmart import Clipmart, Outcome
from tests.support.demo_run import clean_environment


class Usage(NamedTuple):
    """What a process used; `open_files` were open in its end, if it was not killed."""

    cpu_seconds: float
    memory_kib: int
    open_files: int


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
        outcome, _ = self.wait_for_usage(started)
        return outcome

    def wait_for_usage(self, started: tuple[int, str]) -> tuple[Outcome, Usage]:
        process_id, output = started
        code, *usage = self._send({"wait": process_id})
        out, err = (Path(f"{output}.{stream}").read_text() for stream in ("out", "err"))
        return Outcome(code, out, err), Usage(*usage)

    def _send(self, message: dict[str, Any]) -> Any:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(message) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


def serve() -> None:
    open_files: dict[int, int] = {}
    for line in sys.stdin:
        message = json.loads(line)
        if "wait" in message:
            child = message["wait"]
            _, status, used = os.wait4(child, 0)
            counted = os.read(open_files[child], 20)
            os.close(open_files.pop(child))
            code = os.waitstatus_to_exitcode(status)
            cpu_seconds = used.ru_utime + used.ru_stime
            print(json.dumps([code, cpu_seconds, used.ru_maxrss, int(counted or 0)]), flush=True)
            continue
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            for number, name in ((1, "out"), (2, "err")):
                path = f"{message['output']}.{name}"
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            os.chdir(message["folder"])
            os.environ.update(message["environ"])
            result: object = 1
            try:
                main(message["arguments"], prog_name="clipmart")
            except SystemExit as ended:
                result = ended.code
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(writing, str(len(list(Path("/dev/fd").iterdir()))).encode())
            os._exit(result if isinstance(result, int) else 0)
        os.close(writing)
        open_files[child] = reading
        print(child, flush=True)


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    serve()
