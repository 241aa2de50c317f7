"""A DuckDB or pandas that clipmart was not tested with is refused before anything is opened."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from pipelines.warehouse.supported import RANGES, require
from sources.shared.errors import FixConfiguration


def package(name: str, version: str) -> ModuleType:
    module = ModuleType(name)
    module.__dict__["__version__"] = version
    return module


@pytest.mark.parametrize("version", ["1.5.5", "1.6.0", "2.0.1", "2.1.0.dev3"])
def test_a_supported_version_passes(version: str) -> None:
    require(package("duckdb", version))


@pytest.mark.parametrize("version", ["1.5.4", "0.10.3", "3.0.0", "3.0.0rc1"])
def test_another_version_is_refused_in_a_line(version: str) -> None:
    """It says what is installed, what fits, and the command."""
    with pytest.raises(FixConfiguration) as raised:
        require(package("duckdb", version))
    assert f"duckdb {version} is installed" in str(raised.value)
    assert "pip install 'duckdb>=1.5.5,<3'" in str(raised.value)


def test_the_ranges_are_those_that_pip_installs() -> None:
    """As the package's metadata, which pyproject.toml becomes, has them."""
    declared = {
        requirement.name: requirement.specifier
        for requirement in map(Requirement, metadata.requires("clipmart") or ())
        if requirement.name in RANGES and requirement.marker is None
    }
    assert declared.keys() == RANGES.keys()
    for name, (least, bound) in RANGES.items():
        assert str(declared[name]) in (f">={least},<{bound}", f"<{bound},>={least}")


def test_a_command_refuses_it_and_writes_nothing(tmp_path: Path) -> None:
    """`clipmart sync` with a DuckDB of the year before."""
    code = (
        "import sys, duckdb; duckdb.__version__ = '1.2.2'; sys.argv = ['clipmart', 'sync']\n"
        "from pipelines.__main__ import run; run()"
    )
    environ = {"KLIPIT_API_KEY": "k", "KLIPIT_BASE_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environ,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "duckdb 1.2.2 is installed" in done.stderr
    assert list(tmp_path.iterdir()) == []
