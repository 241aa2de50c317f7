"""Messages, the demo and schedules name a command that can be typed where they are read."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import program
from tests.support.clipmart import Clipmart

OWN = Path(sys.executable).with_name("clipmart")


@pytest.fixture(autouse=True)
def asked_again() -> None:
    """The command is looked up once a process and folder."""
    program._command.cache_clear()


def run_without_path(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program by its path, as somebody does whose PATH lacks its folder."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [OWN, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


def test_on_path_it_is_called_by_its_name() -> None:
    assert program.command_line() == "clipmart"
    assert program.named("Run `clipmart sync`.") == "Run `clipmart sync`."


def test_elsewhere_by_its_path(tmp_path: Path) -> None:
    """The command in an error can be pasted as it stands; of doctor's remedies likewise."""
    refused = run_without_path(tmp_path, "report")
    assert refused.returncode == 3
    assert f"`{OWN} sync`" in refused.stderr
    checked = run_without_path(tmp_path, "doctor")
    assert f"`{OWN} demo`" in " ".join(checked.stdout.split())


def test_another_clipmart_on_path_is_not_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two environments, one of them activated."""
    other = tmp_path / "clipmart"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    assert program.command_line() == shlex.quote(str(OWN))


def test_a_link_on_path_is_the_same_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `uv tool install` and pipx make them."""
    (tmp_path / "clipmart").symlink_to(OWN)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program.command_line() == "clipmart"


def test_a_run_by_uvx_is_repeated_by_uvx(
    clipmart: Clipmart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment lies in a cache, so that a schedule cannot rely on it."""
    monkeypatch.setattr(sys, "prefix", "/home/ada/.cache/uv/archive-v0/Xy12")
    assert program.named("Run `clipmart sync`.") == "Run `uvx clipmart sync`."
    refused = clipmart("schedule", "cron")
    assert (refused.code, refused.out) == (3, "")
    assert "`uv tool install clipmart`" in refused.err
