"""Every command that a person reads, over every world."""

from __future__ import annotations

import pytest

from tests.support.clipmart import Clipmart
from tests.support.worlds import published_world, worlds


@pytest.fixture(scope="session", params=worlds())
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clipmart:
    """Each world in turn, published, with the command line on it; all processes share them."""
    base = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each of its processes a folder inside the suite's.
    folder = (base.parent if base.name.startswith("popen-") else base) / "worlds"
    folder.mkdir(exist_ok=True)
    return published_world(request.param, folder / request.param)
