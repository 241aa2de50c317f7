"""A sandbox in a process of its own: faster, and separate from the code under test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx


class Remote:
    """Calls the methods of `Sandbox` in another process: the same names and arguments.

    Everything listed in `sandbox.control` works, such as `remote.add_job("job_1", clips=2)`
    or `remote.clock.advance(hours=1)`; `read("requests")` returns an attribute's value.
    """

    def __init__(self, url: str, name: str = "", *, pid: int = 0) -> None:
        self.url = url
        self.pid = pid
        self.klipit_url = f"{url}/klipit/api/v1"
        self.clipus_url = f"{url}/clipus"
        self._name = name

    def __getattr__(self, name: str) -> Remote:
        if name.startswith("_"):
            raise AttributeError(name)
        return Remote(self.url, f"{self._name}.{name}".lstrip("."))

    def __call__(self, *positional: Any, **named: Any) -> Any:
        """Call the method; returns its result as JSON."""
        return self.call([(self._name, positional, named)])[0]

    def read(self, name: str) -> Any:
        """The value of an attribute of `Sandbox`, as JSON."""
        return self.call([(name, (), {})])[0]

    def call(self, calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]]) -> list[Any]:
        """Many calls in one request: (name, positional, named) each."""
        answer = httpx.post(
            f"{self.url}/_sandbox/call",
            content=json.dumps(calls, default=str),
            timeout=60,
            trust_env=False,
        )
        if answer.status_code != 200:
            raise ValueError(answer.text)
        results: list[Any] = answer.json()
        return results


@contextmanager
def running_apart(*arguments: str) -> Iterator[Remote]:
    """Run `python -m sandbox --port 0` with more arguments, until the block ends."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ourselves
        try:
            assert process.stdout  # noqa: S101 - it is a pipe
            for line in process.stdout:
                if line.startswith("export CLIPUS_BASE_URL="):
                    url = line.split("=", 1)[1].strip().removesuffix("/clipus")
                    yield Remote(url, pid=process.pid)
                    break
            else:
                raise RuntimeError("The sandbox did not start; its message is above.")
        finally:
            process.terminate()
