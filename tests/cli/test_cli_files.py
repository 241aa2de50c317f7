"""Files that commands write where others can write too, such as /tmp."""

from __future__ import annotations

import os
import stat

import pytest

from tests.support.clipmart import Clipmart


@pytest.mark.parametrize("command", [("report", "--html"), ("docs",), ("publish",)])
def test_a_link_planted_next_to_a_file_is_not_written_through(
    synced: Clipmart, command: tuple[str, ...]
) -> None:
    """Drafts have unpredictable names; the file gets the permissions of the umask."""
    victim = synced.folder / "victim"
    victim.write_text("precious")
    for draft in (f".file.{os.getpid()}", ".file.part", f".file.{os.getpid()}.part"):
        (synced.folder / draft).symlink_to(victim)
    before = set(synced.folder.iterdir())
    done = synced(*command, "file")
    assert done.code == 0, done.err
    assert victim.read_text() == "precious"
    written = synced.folder / "file"
    assert {*synced.folder.iterdir()} - before == {written} and written.stat().st_size > 1000
    assert stat.S_IMODE(written.stat().st_mode) == 0o644


@pytest.mark.parametrize("command", [("report", "--html"), ("docs",), ("publish",)])
@pytest.mark.parametrize(
    "own",
    ["data/warehouse.duckdb", "data/state/landing.duckdb", "data/../data/state/ledger.sqlite"],
)
def test_no_command_writes_over_the_tools_own_files(
    synced: Clipmart, command: tuple[str, ...], own: str
) -> None:
    """A published file or a page in the place of the only copy of what landed would lose it."""
    file = synced.folder / own
    before = file.read_bytes()
    done = synced(*command, own)
    assert done.code == 2
    assert "Nothing was written" in done.err
    assert file.read_bytes() == before
