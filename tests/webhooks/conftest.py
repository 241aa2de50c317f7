"""Receivers to send to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.listen_client import SECRET, Listener, Start, ended, start_listener


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
