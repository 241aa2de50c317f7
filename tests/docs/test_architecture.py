"""The page on the architecture names every room and every file."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
PATH = PAGE.split("## The path of one job id")[1].split("\n## ")[0]


def test_every_room_is_described() -> None:
    """Each package and module at the top of pipelines has its row, and no row is left over."""
    rooms = ROOT / "pipelines"
    files = [*rooms.glob("*.py"), *(path.parent for path in rooms.glob("*/__init__.py"))]
    there = {path.stem for path in files if not path.stem.startswith("_")}
    rows = [row.split("|")[1] for row in PAGE.splitlines() if row.startswith("| `")]

    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == there


def test_every_file_that_is_named_exists() -> None:
    """Below the root or below pipelines."""
    named = re.findall(r"`([\w/]+\.(?:py|sql|yaml|md))`", PAGE)
    named = [n for n in named if "NAME" not in n]

    assert len(named) > 10
    assert [
        n for n in named if not any((ROOT / top / n).exists() for top in ("", "pipelines"))
    ] == []


def test_one_job_id_passes_at_most_twenty_modules() -> None:
    """From `track` to `report`; the modules are those that the path names, and `cli`."""
    assert 10 < len(set(re.findall(r"`([\w/]+\.py)`", PATH))) < 20
