"""The wheel without extras, away from the checkout: what a user installs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.soak
def test_the_demo_runs_without_sqlmesh(tmp_path: Path) -> None:
    """Installed with the lock's versions, in an environment of its own."""

    def run(*command: str | Path, **options: Any) -> str:
        options = {"cwd": tmp_path, "capture_output": True, "text": True, **options}
        done = subprocess.run(command, **options)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    uv, python = Path(sys.executable).with_name("uv"), tmp_path / "venv/bin/python"
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    run(uv, "venv", "--python", sys.executable, tmp_path / "venv")
    locked = ("--constraint", ROOT / "requirements.txt")
    run(uv, "pip", "install", "--python", python, *locked, wheel)

    assert "sqlmesh" not in run(uv, "pip", "freeze", "--python", python)
    alone = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    assert "shareability" in run(python.with_name("clipmart"), "demo", env=alone)
    assert (tmp_path / "data/demo/warehouse.duckdb").exists()
