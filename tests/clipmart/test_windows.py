"""Windows lacks modules of POSIX: the import works without them, a command says what to use."""

from __future__ import annotations

import subprocess
import sys

ABSENT = """
import sys, dlt, duckdb, httpx, pandas  # which choose their own way on each system
for name in ("fcntl", "pwd", "resource", "grp", "termios"):
    sys.modules[name] = None
sys.platform = "win32"
"""


def without_posix(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ABSENT + code], capture_output=True, text=True, check=False
    )


def test_the_face_is_importable() -> None:
    """All four names: reading a published file, and the sources alone."""
    done = without_posix(
        "from clipmart import clipus_source, connect, klipit_source, report; print('all')"
    )
    assert (done.stdout, done.stderr) == ("all\n", "")


def test_a_command_names_wsl() -> None:
    """Exit 3 and one line, before anything is read or written."""
    done = without_posix("from pipelines.__main__ import run; run()")
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert "`wsl --install`" in line and "Nothing was done." in line
