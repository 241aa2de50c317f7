"""What a contributor can rely on: the same checks in `make lint`, before a commit and in CI."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def test_a_commit_is_checked_as_by_make_lint() -> None:
    """Each line of the target is a local hook, which downloads nothing."""
    recipe = MAKEFILE.split("\nlint:")[1].split("\n\n")[0]
    checks = re.findall(r"\$\(BIN\)/(.+?)(?: \.)?$", recipe, flags=re.M)
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    (local,) = config["repos"]
    entries = [hook["entry"].removesuffix(" --force-exclude") for hook in local["hooks"]]

    assert local["repo"] == "local"
    assert entries == [f".venv/bin/{check}" for check in checks]


def test_workflows_run_existing_targets_with_read_rights_only() -> None:
    """On every Python that the project supports."""
    flows = {
        path.stem: yaml.safe_load(path.read_text("utf-8"))
        for path in (ROOT / ".github/workflows").glob("*.yml")
    }
    steps = [
        step for flow in flows.values() for job in flow["jobs"].values() for step in job["steps"]
    ]
    runs = [step["run"] for step in steps if "run" in step]
    targets = {run.removeprefix("make ") for run in runs if run.startswith("make ")}

    assert {flow["permissions"]["contents"] for flow in flows.values()} == {"read"}
    # The one action from elsewhere uploads a release without a token; its job may do nothing else.
    uploads = "pypa/gh-action-pypi-publish@release/v1"
    used = [step["uses"] for step in steps if "uses" in step]
    assert [use for use in used if not re.fullmatch(r"actions/[\w-]+@v\d+", use)] == [uploads]
    assert flows["release"]["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert targets <= set(re.findall(r"^([\w-]+):", MAKEFILE, flags=re.M))
    classifiers = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert flows["test"]["jobs"]["test"]["strategy"]["matrix"]["python"] == classifiers


def test_make_without_a_python_that_fits_says_which_one_is_missing(tmp_path: Path) -> None:
    """Nothing is installed; with a fitting one under another name, that one is taken."""
    (tmp_path / "Makefile").write_text(MAKEFILE)
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("make", "sh", "touch"):
        (programs / name).symlink_to(shutil.which(name) or name)

    def program(name: str, body: str) -> None:
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)

    def make() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "install"],
            cwd=tmp_path,
            env={"PATH": str(programs)},
            capture_output=True,
            text=True,
        )

    program("python3", "exit 1")  # as Python 3.10 answers the question whether it fits
    refused = make()
    assert refused.returncode != 0
    assert "No Python 3.11 to 3.14 with venv was found, so nothing was installed." in refused.stdout
    assert not (tmp_path / ".venv").exists()

    program("python3.13", "exit 0")
    assert "python3.13 -m venv .venv" in make().stdout
