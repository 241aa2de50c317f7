"""Tables fit the terminal that shows them; a number, an instant or an id is never cut."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len

from pipelines.reports.render import render
from pipelines.reports.rows import Table
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


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_fits_the_terminal(demo_clipmart: Clipmart, name: str, width: int) -> None:
    """Measured in columns, of which Japanese letters take two; an id that is cut is still clear."""
    demo_clipmart.environ["COLUMNS"] = str(width)
    lines = demo_clipmart("report", name).out.splitlines()
    (rows,) = demo_clipmart("report", name, "--format", "json").json().values()
    values = {value for row in rows for value in row.values() if isinstance(value, str)}

    assert max(map(cell_len, lines)) <= width
    for cut in re.findall(r"(?:^ ?|  )(job_\w*|\d[\d.:]*)…", "\n".join(lines), flags=re.M):
        assert sum(value.startswith(cut) for value in values) == 1, cut


def test_a_wider_terminal_shows_more(demo_clipmart: Clipmart) -> None:
    """And reports fewer columns as left out."""
    shown = {}
    for width in (80, 120, 400):
        demo_clipmart.environ["COLUMNS"] = str(width)
        out = demo_clipmart("report", "shareability").out
        shown[width] = int((re.findall(r"(\d+) of 13 columns", out) or ["13"])[0])
    assert shown[80] < shown[120] < shown[400] == 13


DASH = "\N{EN DASH}"
CLIPS = Table(
    "some_clips",
    (
        *("clip_id", "show_name", "guest_name", "score", "hook_suggestion", "start_seconds"),
        *("duration_seconds", "share_of_clips", "created_at", "clips"),
    ),
    (
        *("VARCHAR", "VARCHAR", "VARCHAR", "DOUBLE", "VARCHAR", "DOUBLE"),
        *("DOUBLE", "DOUBLE", "TIMESTAMP WITH TIME ZONE", "BIGINT"),
    ),
    [
        (
            *("clip_0123456789_abc", "Morning Margin", None, 88.25, "Nobody expected it", 2388.0),
            *(41.6, 0.1234, datetime(2026, 11, 24, 8, tzinfo=UTC), 1234),
        ),
        (
            *("clip_0123456789_xyz", "Second Act", None, 7.0, None, 5025.0),
            *(None, 0.999, datetime(2026, 11, 3, tzinfo=UTC), 2),
        ),
    ],
)


def test_a_report_begins_with_what_a_person_reads() -> None:
    """Hook, show, day and score; then numbers by their unit; ids last; no column of nothing."""
    lines = render([CLIPS], "table", width=115).splitlines()
    header, _, first, second, note = [re.split("  +", line.strip()) for line in lines[3:]]

    assert header[:6] == ["hook", "show", "created", "score", "start", "duration"]
    assert header[6:] == ["clips", "clips", "clip"]
    assert first == [
        *("Nobody expected it", "Morning Margin", "24 Nov 2026", "88.2", "39:48", "0:42"),
        *("12 %", "1,234", "clip_0123456789_abc"),
    ]
    assert second[:6] == [DASH, "Second Act", "3 Nov 2026", "7.0", "1:23:45", DASH]
    assert note == ["(no values: guest)"]


def test_other_formats_have_every_column_and_value(tmp_path: Path) -> None:
    """A column of nothing, seconds and shares are as in the file."""
    (row, _) = json.loads(render([CLIPS], "json"))["some_clips"]
    assert (row["guest_name"], row["start_seconds"], row["share_of_clips"]) == (None, 2388, 0.1234)
    for format in ("csv", "markdown"):
        assert "guest_name" in render([CLIPS], format)


def test_a_month_is_a_month_and_a_year_has_no_separator() -> None:
    table = Table("x", ("month", "year", "videos"), ("DATE", "BIGINT", "BIGINT"), [])
    table.rows.append((date(2026, 11, 1), 2026, 2026))
    assert render([table], "table").splitlines()[3] == "Nov 2026  2026   2,026"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (("rank", "clip_id", "job_id"), "no clips yet"),
        (("job_id", "clips"), "no episodes yet"),
        (("moment_type", "clips"), "no clips yet"),
        (("service", "job_id", "error"), "no failures yet"),
    ],
)
def test_a_report_without_rows_says_so(columns: tuple[str, ...], words: str) -> None:
    """Instead of a header of many columns."""
    table = Table("some_report", columns, ("VARCHAR",) * len(columns), [])
    assert render([table], "table") == f"some report\n{words}\n"


def test_a_query_that_is_too_wide_has_a_line_for_each_column(demo_clipmart: Clipmart) -> None:
    """All that was requested, whole, with the table's own headers and values."""
    demo_clipmart.environ["COLUMNS"] = "80"
    sql = "SELECT * FROM klipit.clips ORDER BY id LIMIT 2"
    out = demo_clipmart("query", sql).out
    assert max(map(cell_len, out.splitlines())) <= 80
    (first, second) = json.loads(demo_clipmart("query", sql, "--format", "json").out)["rows"]
    assert re.findall(r"^([a-z]\w*)  ", out, flags=re.M) == [*first, *second]
    unwrapped = re.sub(r"\n {6,}", " ", out)
    for name in ("id", "reason", "observed_at", "start_seconds"):
        assert re.search(rf"^{name} +{re.escape(str(first[name]))}$", unwrapped, flags=re.M), name


def test_a_query_that_fits_is_a_table_of_its_own_values(demo_clipmart: Clipmart) -> None:
    """Not rounded, no separators, and NULL is not an empty text."""
    sql = (
        "SELECT 2026 AS year, 1234567.125 AS x, NULL::INT AS none, DATE '2026-11-24' AS d, '' AS t"
    )
    assert demo_clipmart("query", sql).out.splitlines() == [
        "year            x  none  d           t",
        "─" * 38,
        "2026  1234567.125  NULL  2026-11-24",
    ]


@pytest.mark.parametrize(
    ("width", "numbers"),
    [
        (80, ["1,234,567,890", "-0.0012", "9,999,999.5", "0"]),
        (55, ["1,234,567,890", "-0.0012", "0"]),
        (30, ["-0.0012"]),
        (12, []),
    ],
)
def test_numbers_are_shown_whole_or_not_at_all(width: int, numbers: list[str]) -> None:
    """Next to a long text, which is cut instead; the first column is always shown."""
    table = Table(
        "rows",
        ("name", "count", "small", "large", "nought"),
        ("VARCHAR", "BIGINT", "DOUBLE", "DOUBLE", "DOUBLE"),
        [("a name much longer than any terminal", 1234567890, -0.001234, 9999999.5, -0.0)],
    )
    lines = render([table], "table", width=width).splitlines()
    (row,) = (line for line in lines if line.strip().startswith("a name"))
    assert row.split("…")[-1].replace("a name much longer than any terminal", "").split() == numbers
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
