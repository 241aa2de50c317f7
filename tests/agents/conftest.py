"""Agents on the demo's data: one server on stdio and one on HTTP for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import Agent, over_http, over_stdio, served
from tests.support.clipmart import Clipmart
from tests.support.demo_run import KEYS, NOW, DemoRun

TOKEN = "a-token-of-24-characters"


@pytest.fixture(scope="session")
def demo(demo_run: DemoRun) -> Clipmart:
    """The command line on the demo's data, with keys that no answer may show."""
    environ = {"CLIPMART_DATA_DIR": str(demo_run.data_dir), "CLIPMART_NOW": NOW}
    return Clipmart(Path(demo_run.folder), environ | KEYS)


@pytest.fixture(scope="session")
def on_stdio(demo: Clipmart) -> Iterator[Agent]:
    with over_stdio(demo) as agent:
        yield agent


@pytest.fixture(scope="session")
def url(demo: Clipmart) -> Iterator[str]:
    """A server that requires TOKEN."""
    with served(Clipmart(demo.folder, demo.environ | {"CLIPMART_MCP_TOKEN": TOKEN})) as url:
        yield url


@pytest.fixture(scope="session")
def on_http(url: str) -> Iterator[Agent]:
    with over_http(url, TOKEN) as agent:
        yield agent


@pytest.fixture(params=["stdio", "http"])
def agent(request: pytest.FixtureRequest) -> Agent:
    """Each transport in turn."""
    connected: Agent = request.getfixturevalue(f"on_{request.param}")
    return connected
