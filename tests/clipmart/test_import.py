"""The face: four names and a command; nothing is loaded before it is used."""

from __future__ import annotations

import subprocess
import sys

import clipmart
from pipelines.warehouse import connect, report
from sources.clipus import clipus_source
from sources.klipit import klipit_source


def test_it_offers_reading_and_the_sources() -> None:
    """The same objects as in their own packages, whose imports go on working."""
    assert clipmart.connect is connect
    assert clipmart.report is report
    assert clipmart.klipit_source is klipit_source
    assert clipmart.clipus_source is clipus_source
    assert dir(clipmart) == ["clipus_source", "connect", "klipit_source", "report"]


def test_importing_it_loads_neither_duckdb_nor_dlt() -> None:
    """In a process of its own."""
    code = "import clipmart, sys; print(sorted({'duckdb', 'dlt', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_python_m_clipmart_is_the_command() -> None:
    """It prints the version."""
    done = subprocess.run(
        [sys.executable, "-m", "clipmart", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("clipmart, version ")
