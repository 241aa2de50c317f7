"""The pages' examples are run on the data of the suite's one demo."""

from __future__ import annotations

import pytest

from tests.demo.demo_run import DemoRun, shared_run


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    folder = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each of its processes a folder inside the suite's.
    return shared_run(folder.parent if folder.name.startswith("popen-") else folder)
