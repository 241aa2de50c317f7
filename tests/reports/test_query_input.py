"""Where `clipmart query` gets its statement: an argument, a file, or stdin."""

from __future__ import annotations

import pytest

from pipelines.settings import Settings
from tests.support.clipmart import Clipmart

SQL = "\ufeff-- How many?\nSELECT count(*) AS jobs\nFROM klipit.jobs;\n"


@pytest.fixture
def clipmart(published: Settings) -> Clipmart:
    return Clipmart(published.data_dir.parent, {"CLIPMART_DATA_DIR": str(published.data_dir)})


def test_a_statement_is_read_from_a_file_or_stdin(clipmart: Clipmart) -> None:
    """With a byte order mark, comments, line breaks and a semicolon."""
    (clipmart.folder / "jobs.sql").write_text(SQL)
    answers = [
        clipmart("query", "--file", "jobs.sql", "--format", "csv"),
        clipmart("query", "--file", "-", "--format", "csv", stdin=SQL),
        clipmart("query", "-", "--format", "csv", stdin=SQL),
    ]
    assert [(done.code, done.out, done.err) for done in answers] == [(0, "jobs\n2\n", "")] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Give one statement"),
        (("SELECT 1", "--file", "jobs.sql"), "Give one statement"),
        (("--file", "latin.sql"), "latin.sql is not UTF-8"),
        (("--file", "none.sql"), "none.sql"),
    ],
)
def test_no_statement_two_or_an_unreadable_one_is_refused(
    clipmart: Clipmart, arguments: tuple[str, ...], words: str
) -> None:
    (clipmart.folder / "jobs.sql").write_text(SQL)
    (clipmart.folder / "latin.sql").write_bytes(b"SELECT 'M\xfcnchen'")
    done = clipmart("query", *arguments)
    assert (done.code, done.out) == (2, "") and words in done.err


@pytest.mark.parametrize("command", [("report",), ("query", "SELECT 1")])
def test_after_the_demo_its_folder_is_named(clipmart: Clipmart, command: tuple[str, ...]) -> None:
    """If nothing else is published: exit 3, and the command that reads the demo's data."""
    folder = clipmart.folder / "elsewhere"
    clipmart.environ["CLIPMART_DATA_DIR"] = "elsewhere"
    before = clipmart(*command)
    assert before.code == 3 and "demo's data" not in before.err
    (folder / "demo").mkdir(parents=True)
    (folder / "demo" / "warehouse.duckdb").write_bytes(
        (clipmart.data_dir / "warehouse.duckdb").read_bytes()
    )
    after = clipmart(*command)
    assert after.code == 3
    assert "`CLIPMART_DATA_DIR=elsewhere/demo clipmart report`" in after.err
    assert after.err.count("\n") == 1
