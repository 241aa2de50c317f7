"""The notebooks, copied out to where their reader wants to edit them."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

from pipelines.files import write_whole
from pipelines.program import PACKAGE, checkout, command_line, from_here
from pipelines.settings import Settings
from sources.shared.errors import Unusable

FIRST = "01_start_here.ipynb"


def copy_notebooks(folder: Path) -> list[Path]:
    """Copy every notebook into a folder, which is created.

    Raises:
        Unusable: one is there already, or the folder cannot be written.
    """
    root = checkout()
    # The wheel carries them beside the face.
    originals = sorted((root or PACKAGE.parent / "clipmart").joinpath("notebooks").glob("*.ipynb"))
    copies = [folder / original.name for original in originals]
    existing = [path.name for path in copies if path.exists()]
    if existing:
        raise Unusable(
            f"{folder} has {existing[0]} already, perhaps with your changes. Nothing was written. "
            "Name another folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for original, copy in zip(originals, copies, strict=True):
            write_whole(copy, _without_links_to_docs(original.read_text(encoding="utf-8")))
    except OSError as error:
        raise Unusable(
            f"{folder} cannot be written ({error.strerror}). Notebooks may be missing there. Name "
            "another folder."
        ) from error
    return copies


def how_to_open(settings: Settings, folder: Path) -> str:
    """The command that opens the first notebook on this data folder."""
    if find_spec("jupyterlab") is None:
        return (
            "JupyterLab is not installed here. Install the extra, `pip install "
            "'clipmart[notebooks]'`, or open them in another program whose Python has clipmart, "
            f"with CLIPMART_DATA_DIR={settings.data_dir}."
        )
    data_dir, first = shlex.quote(str(settings.data_dir)), shlex.quote(from_here(folder / FIRST))
    return f"Open them: CLIPMART_DATA_DIR={data_dir} {command_line('jupyter')} lab {first}"


def _without_links_to_docs(notebook: str) -> str:
    """`[Recipes](../docs/sql-recipes.md)` → `Recipes (docs/sql-recipes.md in the source)`."""
    return re.sub(r"\[([^\]\n]*)\]\(\.\./(docs/[^)\n]*)\)", r"\1 (\2 in the source)", notebook)
