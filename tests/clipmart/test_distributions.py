"""`make dist`: source distribution and wheel hold what belongs in them, and nothing else."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CLUTTER = ("__pycache__", ".venv", ".duckdb", ".ipynb_checkpoints", ".env", "sql/.cache")

# The wheel under test is built from the same files, but its environment has no builder.
pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(dist / f"clipmart-{PROJECT['version']}-py3-none-any.whl")


@pytest.fixture(scope="module")
def source(dist: Path) -> set[str]:
    """The files of the source distribution, without its own folder."""
    name = f"clipmart-{PROJECT['version']}"
    with tarfile.open(dist / f"{name}.tar.gz") as archive:
        return {member.removeprefix(f"{name}/") for member in archive.getnames()}


def files(*folders: str) -> set[str]:
    """Files of the checkout in these folders, as git would add them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout, so nothing says which files belong to it")
    return {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}


def test_the_wheel_holds_the_packages_the_models_and_the_notebooks(wheel: zipfile.ZipFile) -> None:
    """Every file of the product, and no test."""
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    product = files("clipmart", "sources", "pipelines", "sandbox", "sql") - files("sql/tests")
    notebooks = {f"clipmart/{name}" for name in files("notebooks")}
    assert held == product | notebooks | {"pipelines/agents/DECISIONS.md"}


def test_the_source_distribution_builds_tests_and_documents_it(source: set[str]) -> None:
    """All folders of the checkout, without what only its host reads."""
    expected = files("clipmart", "sources", "pipelines", "sandbox", "sql", "notebooks", "tests")
    assert (
        expected
        | files("docs", "deploy", "benchmarks", "skills", "Makefile", "README.md", "AGENTS.md")
        <= source
    )
    assert not [name for name in source if name.startswith((".github", ".ci", "data"))]
    assert not [name for name in source for part in CLUTTER if part in name]


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel.read(name))


def test_the_metadata_says_what_pip_and_people_need(wheel: zipfile.ZipFile) -> None:
    """Version, Python, licence, readme, and the extras."""
    said = metadata(wheel)
    assert said["Version"] == PROJECT["version"]
    assert said["Requires-Python"] == "<3.15,>=3.11"
    assert said["License-Expression"] == "Apache-2.0"
    assert said["Description-Content-Type"] == "text/markdown"
    assert set(said.get_all("Provides-Extra") or ()) == {
        "lake",
        "mcp",
        "models",
        "notebooks",
        "spark",
    }


def test_the_version_is_written_once() -> None:
    """In pyproject.toml; the command and the changelog's newest entry agree."""
    version = PROJECT["version"]
    printed = subprocess.run(
        [sys.executable, "-m", "clipmart", "--version"], capture_output=True, text=True, check=True
    )
    assert printed.stdout == f"clipmart, version {version}\n"
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if "## " in line]
    assert any(version in heading for heading in headings)
    packages = [
        path
        for name in ("clipmart", "sources", "pipelines", "sandbox")
        for path in (ROOT / name).rglob("*.py")
    ]
    assert not [path for path in packages if f'"{version}"' in path.read_text()]
