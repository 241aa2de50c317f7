"""Receivers to send to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from listen_client import SECRET, Listener

Start = Callable[..., Listener]


def start_listener(
    folder: Path,
    environ: dict[str, str],
    program: Sequence[str] = (sys.executable, "-m", "pipelines"),
    **popen: Any,
) -> Listener:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLIPMART_", "KLIPIT_", "CLIPUS_"))
    }
    process = Popen(
        [*program, "listen", "--port", "0"],
        cwd=folder,
        env={**clean, "KLIPIT_WEBHOOK_SECRET": SECRET, **environ},
        stdout=PIPE,
        text=True,
        **{"stderr": DEVNULL, **popen},
    )
    assert process.stdout is not None
    url = process.stdout.readline().rsplit(" ", 1)[-1].strip()
    return Listener(process, url, folder / "data/state/ledger.sqlite")


@contextmanager
def ended(started: list[Listener]) -> Iterator[None]:
    try:
        yield
    finally:
        for listener in started:
            listener.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start receivers over one data folder, with variables of their own; stopped in the end."""
    started: list[Listener] = []

    def start(popen: dict[str, Any] | None = None, **environ: str) -> Listener:
        started.append(start_listener(tmp_path, environ, **(popen or {})))
        return started[-1]

    with ended(started):
        yield start


@pytest.fixture
def listener(start: Start) -> Listener:
    return start()


@pytest.fixture(scope="module")
def shared_listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    """One receiver for many tests that each look only at what they add."""
    environ = {"KLIPIT_WEBHOOK_SECRET": f"whsec_of_tomorrow, {SECRET}"}
    listener = start_listener(tmp_path_factory.mktemp("shared"), environ)
    with ended([listener]):
        yield listener
