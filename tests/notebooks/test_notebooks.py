"""Every notebook runs from top to bottom on the demo's data, from either folder."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import nbformat
import pytest

from tests.demo.demo_run import NOW, DemoRun, clean_environment

pytestmark = pytest.mark.xdist_group("demo")  # another worker would only wait for it
FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

# In a process of its own: a kernel's sockets outlive the test that opened them.
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""


def execute(notebook: Path, folder: Path, into: Path, **environment: str) -> nbformat.NotebookNode:
    """Run a notebook whose kernel starts in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, notebook, folder, into],
        env=clean_environment() | {"CLIPMART_NOW": NOW, **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(into, as_version=4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def ids(path: Path) -> str:
    return path.stem


def test_there_is_a_notebook() -> None:
    """The tests below would pass without one."""
    assert [path.name for path in NOTEBOOKS][:1] == ["01_start_here.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_runs_on_the_demo(path: Path, demo_run: DemoRun, tmp_path: Path) -> None:
    """Started beside itself it runs to its end, and every output it was kept with is there."""
    run = execute(path, FOLDER, tmp_path / "run.ipynb", CLIPMART_DATA_DIR=str(demo_run.data_dir))
    kept = nbformat.read(path, as_version=4)
    for now, before in zip(code(run), code(kept), strict=True):
        assert [out.output_type for out in now.outputs] == [
            out.output_type for out in before.outputs
        ], now.source
    assert "99" in str(run.cells)


@pytest.mark.parametrize("start", [".", "notebooks"])
def test_a_notebook_finds_the_demo_itself(start: str, demo_run: DemoRun, tmp_path: Path) -> None:
    """In a checkout where only the demo ran no variable is needed, wherever it is started."""
    shutil.copytree(FOLDER, tmp_path / "notebooks")
    shutil.copytree(demo_run.data_dir, tmp_path / "data" / "demo")
    path = tmp_path / "notebooks" / NOTEBOOKS[0].name
    run = execute(path, tmp_path / start, tmp_path / "run.ipynb")
    assert all(cell.outputs for cell in code(run)[1:])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_is_kept_clean(path: Path) -> None:
    """It is committed run, in order, without errors and without a path of any machine."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == [
        number for number, _ in enumerate(code(notebook), 1)
    ]
    text = path.read_text()
    for word in (str(FOLDER.parent), str(Path.home()), gettempdir(), '"error"', "stderr"):
        assert word not in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_reads_through_the_warehouse_alone(path: Path) -> None:
    """It imports nothing else that could reach data, and it writes nothing."""
    source = "\n".join(cell.source for cell in code(nbformat.read(path, as_version=4)))
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {"os", "pathlib", "pipelines.warehouse"}
    assert not any(word in source for word in ("http", "chdir", "to_csv", "open("))
