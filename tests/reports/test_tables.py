"""Tables fit the terminal that shows them; a number, an instant or an id is never cut."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from pipelines.reports.render import Table, render
from tests.support.clipmart import Clipmart
from tests.support.demo_run import NOW, DemoRun, clean_environment, shared_run

pytestmark = pytest.mark.xdist_group("demo")
REPORTS = sorted(path.stem for path in Path("sql/models/reports").glob("*.sql"))
CLIPMART = Path(sys.executable).with_name("clipmart")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    folder = tmp_path_factory.getbasetemp()
    return shared_run(folder.parent if folder.name.startswith("popen-") else folder)


@pytest.fixture(scope="module")
def demo_clipmart(demo: DemoRun) -> Clipmart:
    return Clipmart(
        Path(demo.folder), {"CLIPMART_DATA_DIR": str(demo.data_dir), "CLIPMART_NOW": NOW}
    )


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_fits_the_terminal(demo_clipmart: Clipmart, name: str, width: int) -> None:
    """Measured in columns, of which Japanese letters take two; only text is cut."""
    demo_clipmart.environ["COLUMNS"] = str(width)
    lines = demo_clipmart("report", name).out.splitlines()

    assert max(map(cell_len, lines)) <= width
    for line in lines:
        for cut in re.findall(r"(?:^ ?|  )(\S*…)", line):  # whole cells, not words of a text
            assert not re.match(r"job_|\d", cut), line


def test_a_wider_terminal_shows_more(demo_clipmart: Clipmart) -> None:
    """And reports fewer columns as left out."""
    shown = {}
    for width in (80, 120, 400):
        demo_clipmart.environ["COLUMNS"] = str(width)
        out = demo_clipmart("report", "shareability").out
        shown[width] = int((re.findall(r"(\d+) of 13 columns", out) or ["13"])[0])
    assert shown[80] < shown[120] < shown[400] == 13


def test_a_query_that_is_too_wide_leaves_columns_out(demo_clipmart: Clipmart) -> None:
    """Whole columns, and it says so."""
    demo_clipmart.environ["COLUMNS"] = "80"
    out = demo_clipmart("query", "FROM klipit.clips").out
    assert max(map(cell_len, out.splitlines())) <= 80
    assert re.search(r"\d of \d+ columns; --format json gives all", out)
    ids = demo_clipmart("query", "SELECT id FROM klipit.clips", "--format", "csv").out.split()
    assert ids[1] in out


@pytest.mark.parametrize(
    ("width", "numbers"),
    [
        (80, ["1,234,567,890,123,456", "-0.0012", "9,999,999.5", "0.00"]),
        (55, ["1,234,567,890,123,456", "-0.0012"]),
        (30, ["-0.0012"]),
        (12, []),
    ],
)
def test_numbers_are_shown_whole_or_not_at_all(width: int, numbers: list[str]) -> None:
    """Next to a long text, which is cut instead; the first column is always shown."""
    table = Table(
        "rows",
        ("name", "count", "small", "share", "nought"),
        ("VARCHAR", "BIGINT", "DOUBLE", "DOUBLE", "DOUBLE"),
        [("a name much longer than any terminal", 1234567890123456, -0.001234, 9999999.5, -0.0)],
    )
    lines = render([table], "table", width=width).splitlines()
    (row,) = (line for line in lines if line.strip().startswith("a name"))
    assert row.split("…")[-1].split() == numbers
    assert max(map(cell_len, lines)) <= width


def on_a_terminal(demo: DemoRun, *arguments: str, **environ: str) -> str:
    """What a command prints to a real pseudo-terminal."""
    near, far = pty.openpty()
    process = subprocess.Popen(
        [CLIPMART, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=far,
        stderr=subprocess.STDOUT,
        env=clean_environment()
        | {"CLIPMART_DATA_DIR": str(demo.data_dir), "TERM": "xterm-256color", "COLUMNS": "80"}
        | environ,
    )
    os.close(far)
    output = b""
    while True:
        try:
            part = os.read(near, 65536)
        except OSError:  # Linux's way to say that nobody writes any more
            break
        if not part:
            break
        output += part
    os.close(near)
    assert process.wait(30) == 0
    return output.decode()


def test_colours_are_for_terminals_that_want_them(demo: DemoRun) -> None:
    """A real terminal gets them; NO_COLOR, a pipe and a dumb terminal do not."""
    plain = {"NO_COLOR": "1"}, {"TERM": "dumb"}
    assert "\x1b[" in on_a_terminal(demo, "report", "moment-types")
    for environ in plain:
        assert "\x1b" not in on_a_terminal(demo, "report", "moment-types", **environ)
    piped = subprocess.run(
        [CLIPMART, "report", "moment-types"],
        env=clean_environment() | {"CLIPMART_DATA_DIR": str(demo.data_dir), "TERM": "xterm"},
        capture_output=True,
        timeout=30,
    )
    assert b"founder_reveal" in piped.stdout and b"\x1b" not in piped.stdout
