"""Run notebooks in one kernel, each from an empty namespace: most of the time goes into imports.

`python -m tests.support.run_notebooks` runs the demo in a temporary folder and saves the notebooks
with their outputs, which the tests compare.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.demo_run import NOW, clean_environment, run_demo

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

FRESH = """
import os, sys
sys.modules.setdefault("rfc3987_syntax", None)
os.chdir({folder!r})
for name in [name for name in os.environ if name.startswith("CLIPMART_")]:
    del os.environ[name]
os.environ.update({environ!r})
get_ipython().run_line_magic("reset", "-sf")
"""


@dataclass(frozen=True)
class Run:
    """A notebook to run; `cells` of its code cells, or all."""

    notebook: str
    into: str
    folder: str
    environ: dict[str, str]
    cells: int | None = None


def run_all(runs: Iterable[Run]) -> None:
    """Run each to its end or its first error, which is then the last output it has."""
    # Else jsonschema builds a grammar of web addresses, 2 s in each process; nothing needs it.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import nbformat
    from nbclient import NotebookClient

    client = NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3", timeout=120)
    client.allow_errors = True
    with client.setup_kernel():
        for run in runs:
            fresh = FRESH.format(folder=run.folder, environ=run.environ)
            client.nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(fresh)])
            client.execute_cell(client.nb.cells[0], 0)
            client.nb = notebook = nbformat.read(run.notebook, as_version=4)
            nbformat.validate(notebook)
            client.reset_execution_trackers()
            code = [cell for cell in notebook.cells if cell.cell_type == "code"]
            for cell in code:
                cell.outputs = []
            for number, cell in enumerate(code[: run.cells], 1):
                client.execute_cell(cell, notebook.cells.index(cell))
                cell.execution_count = number
                cell.metadata.pop("execution", None)  # when it ran
                cell.outputs = _joined(cell.outputs)
                for output in cell.outputs:
                    if "execution_count" in output:
                        output.execution_count = number
                    if " at 0x" in output.get("data", {}).get("text/plain", ""):
                        del output.data["text/plain"]  # only an address in memory
                if any(output.output_type == "error" for output in cell.outputs):
                    break
            nbformat.write(notebook, run.into)


def _joined(outputs: list[Any]) -> list[Any]:
    """A kernel sends what is printed in as many pieces as its timing makes."""
    joined: list[Any] = []
    for output in outputs:
        before: Any = joined[-1] if joined else {}
        if output.output_type == "stream" and output.name == before.get("name"):
            before.text += output.text
        else:
            joined.append(output)
    return joined


def keep_anew() -> None:
    """Write what the notebooks show on the demo's data into the notebooks themselves."""
    with TemporaryDirectory() as folder:
        demo = run_demo(Path(folder))
        print(demo.err)
        os.environ.clear()
        os.environ.update(clean_environment())
        environ = {"CLIPMART_DATA_DIR": str(demo.data_dir), "CLIPMART_NOW": NOW}
        run_all(Run(str(path), str(path), str(FOLDER), environ) for path in NOTEBOOKS)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_all(Run(**run) for run in json.loads(Path(sys.argv[1]).read_text()))
    else:
        keep_anew()
