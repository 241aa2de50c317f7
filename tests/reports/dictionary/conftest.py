"""The page of the suite's synced folder, and Chromium to open it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.clipmart import NOW, Clipmart
from tests.support.programs import needs


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, synced_data: Path) -> Clipmart:
    """clipmart with a published file that has an undocumented field."""
    clipmart = Clipmart(tmp_path_factory.mktemp("dictionary"), {"CLIPMART_NOW": NOW})
    clipmart.data_dir.mkdir()
    shutil.copy(synced_data / "warehouse.duckdb", clipmart.data_dir)
    return clipmart


@pytest.fixture(scope="module")
def page(published: Clipmart) -> Path:
    done = published("docs", "page.html")
    assert done.code == 0
    return Path(done.out.strip())


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=needs("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
