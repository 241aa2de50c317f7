"""One small published warehouse, copied into a data folder for each test."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.warehouse.publish import publish
from tests.support.landing_data import write_landing
from tests.support.reader_rows import rows


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("published") / "data",
        pinned_now=datetime(2026, 4, 9, 12, 0, tzinfo=UTC),
    )
    settings.state_dir.mkdir(parents=True)
    write_landing(settings.landing, rows())
    publish(settings)
    return settings


@pytest.fixture
def published(
    published_once: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """A data folder of its own, which the environment points to."""
    settings = Settings(data_dir=tmp_path / "data", pinned_now=published_once.pinned_now)
    shutil.copytree(published_once.data_dir, settings.data_dir)
    monkeypatch.setenv("CLIPMART_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CLIPMART_NOW", "2026-04-09T12:00:00Z")
    return settings
