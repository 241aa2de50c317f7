"""The notebooks' code over every world, in this process: a kernel takes four seconds for each.

That a kernel runs them the same way is shown for two worlds in tests/notebooks.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.support.clipmart import Clipmart
from tests.support.missing_words import MISSING
from tests.support.worlds import worlds

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
QUICK = (
    "ids_without_metadata",
    "no_created_at",
    "only_clipus",
    "dates_of_1970_and_2031",  # of an empty store tests/notebooks makes sure
)


def shown(value: Any) -> str:
    """What a cell's last value shows; a chart is only drawn as data, which costs a tenth."""
    if hasattr(value, "to_dict") and hasattr(
        value, "mark_bar" if hasattr(value, "mark") else "layer"
    ):
        value.to_dict()
        return ""
    return value._repr_html_() if hasattr(value, "_repr_html_") else ""


def run(notebook: Path) -> str:
    """Everything that it prints, cell by cell in one namespace, and its tables."""
    names: dict[str, Any] = {}
    out = io.StringIO()
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            with contextlib.redirect_stdout(out):
                exec(compile(tree, cell["id"], "exec"), names)
                if isinstance(last, ast.Expr):
                    value = eval(compile(ast.Expression(last.value), cell["id"], "eval"), names)
                    print(re.sub(r"<[^>]*>", " ", shown(value)))
    return out.getvalue()


@pytest.mark.parametrize("world", worlds(*QUICK), indirect=True)
def test_every_notebook_runs_to_its_end(world: Clipmart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an error or a warning, and no sentence has Python's word for a missing value."""
    for name, value in {**world.environ, "CLIPMART_DATA_DIR": str(world.data_dir)}.items():
        monkeypatch.setenv(name, value)
    for notebook in NOTEBOOKS:
        with warnings.catch_warnings():
            if "huge" in world.folder.name:  # numbers beyond 1e300 overflow, which numpy says
                warnings.simplefilter("ignore", RuntimeWarning)
            words = run(notebook)
        sentences = [line for line in words.splitlines() if "“" in line or line.count(" ") > 3]
        if "missing" not in world.folder.name:
            named = [
                line for line in sentences if MISSING.search(line) and not line.startswith(" ")
            ]
            assert named == [], notebook.name
