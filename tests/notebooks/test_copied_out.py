"""`clipmart notebooks DIR`: the pages, where their reader wants to change them."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from tests.support.clipmart import Clipmart

ROOT = Path(__file__).parents[2]


def test_every_notebook_is_copied(clipmart: Clipmart) -> None:
    """Their paths on stdout, how to open the first on stderr, on this data folder."""
    done = clipmart("notebooks", "pages")
    names = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert done.code == 0
    assert done.out.splitlines() == [f"pages/{name}" for name in names]
    assert done.err.startswith(f"Open them: CLIPMART_DATA_DIR={clipmart.data_dir} jupyter lab ")
    for name in names:
        nbformat.validate(nbformat.read(clipmart.folder / "pages" / name, as_version=4))


def test_no_link_leads_out_of_the_folder(clipmart: Clipmart) -> None:
    """The checkout's docs/ are not there."""
    clipmart("notebooks", "pages")
    for path in (clipmart.folder / "pages").iterdir():
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            assert "://" in link or (path.parent / link).exists(), (path.name, link)


def test_a_changed_notebook_is_never_overwritten(clipmart: Clipmart) -> None:
    """Exit 2, nothing written beside it."""
    mine = clipmart.folder / "pages/03_moment_types.ipynb"
    mine.parent.mkdir()
    mine.write_text("mine")
    refused = clipmart("notebooks", "pages")
    assert (refused.code, refused.out) == (2, "")
    assert "has 03_moment_types.ipynb already" in refused.err
    assert [path.name for path in mine.parent.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"
