"""Programs that some tests need: Chromium, PostgreSQL, a proxy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def needs(program: str) -> str:
    """The path of another program; without it the test is skipped, or fails where all must run."""
    places = [
        shutil.which(program),
        *map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{program}")),
    ]
    existing = [place for place in places if place]
    if not existing:
        not_run(f"{program} is not installed")
    return existing[-1]


def not_run(absent: str) -> NoReturn:
    """Skip the test for want of something outside Python, or fail it where all must run."""
    if os.environ.get("CLIPMART_TEST_ALL") == "1":
        pytest.fail(absent)
    pytest.skip(absent)
