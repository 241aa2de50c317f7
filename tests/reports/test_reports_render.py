"""Reports as text: the same rows in four formats, none of which an API's text can abuse."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import duckdb
import pytest

from pipelines.reports.render import FORMATS, MAIN, render
from pipelines.reports.rows import LINKS, Selection, Table, fetch, read_report
from pipelines.settings import Settings
from pipelines.warehouse.read import open_published, report_names
from tests.support.reader_rows import HOOK


@pytest.fixture
def con(published: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_published(published) as connection:
        yield connection


def test_json_is_one_object_keyed_by_report(con: duckdb.DuckDBPyConnection) -> None:
    """Instants end in Z, days are dates, lists lists, numbers numbers, NULL null."""
    tables = json.loads(render([read_report(con, name) for name in MAIN], "json"))
    assert list(tables) == list(MAIN)
    (campaign,) = tables["video_readiness"]
    assert campaign["languages"] == ["en", "日本語"]
    assert campaign["created_at"] == "2026-04-08T12:00:00Z"
    assert campaign["readiness"] is None
    assert campaign["stuck"] is True
    (first, second) = tables["shareability"]
    assert (first["clips"], first["mean_score"], first["best_hook"]) == (1, 94.0, HOOK)
    assert (second["clips"], second["mean_score"], second["best_hook"]) == (0, None, None)
    assert tables["credit_usage"][0]["day"] == "2026-04-08"


def test_json_has_only_values_that_json_allows(con: duckdb.DuckDBPyConnection) -> None:
    """NaN and infinity are null; sums and decimals are numbers; JSON columns are JSON."""
    table = fetch(
        con.execute(
            """
            SELECT 'NaN'::DOUBLE AS nan, '-inf'::DOUBLE AS inf, SUM(9007199254740993) AS big,
              1.50::DECIMAL(9, 2) AS money, '{"a": [1, null]}'::JSON AS json,
              TIMESTAMP '2026-04-08 12:00:00' AS zoneless, TIME '01:02:03' AS time,
              {'day': DATE '2026-04-08', 'x': 'NaN'::DOUBLE} AS struct
            """
        )
    )
    (row,) = json.loads(render([table], "json"), parse_constant=pytest.fail)["rows"]
    assert row == {
        "nan": None,
        "inf": None,
        "big": 9007199254740993,
        "money": 1.5,
        "json": {"a": [1, None]},
        "zoneless": "2026-04-08T12:00:00",
        "time": "01:02:03",
        "struct": {"day": "2026-04-08", "x": None},
    }


def test_csv_can_be_read_back(con: duckdb.DuckDBPyConnection) -> None:
    """Commas, quotes, line breaks and all; NULL is an empty cell."""
    rows = list(csv.DictReader(io.StringIO(render([read_report(con, "shareability")], "csv"))))
    assert [row["job_id"] for row in rows] == ["job_1", "job_2"]
    assert rows[0]["created_at"] == "2026-04-08T12:00:00Z"
    assert rows[1]["mean_score"] == ""


STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # the last four as wide as a Japanese letter


def test_csv_of_a_report_starts_no_formula(con: duckdb.DuckDBPyConnection) -> None:
    """Text that a spreadsheet would calculate gets an apostrophe; numbers stay numbers."""
    (row, _) = csv.DictReader(io.StringIO(render([read_report(con, "shareability")], "csv")))
    assert row["best_hook"] == "'" + HOOK
    assert row["show_name"] == '\'@The, "Founders" 日本'
    table = Table(
        "rows",
        ("text", "number"),
        ("VARCHAR", "DOUBLE"),
        [(start + "1", -1.5) for start in STARTS] + [("a=1", -2.0)],
    )
    cells = list(csv.reader(io.StringIO(render([table], "csv"), newline="")))[1:]
    assert cells == [["'" + start + "1", "-1.5"] for start in STARTS] + [["a=1", "-2.0"]]


def test_csv_of_a_report_quotes_every_text() -> None:
    """So no text is read as a number or a date, and an empty one is not NULL."""
    values = ("007", "", None, 7, -1.5, True, ["a", "b"])
    types = ("VARCHAR", "VARCHAR", "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR[]")
    table = Table("rows", tuple("abcdefg"), types, [values])
    row = render([table], "csv").splitlines()[1]
    assert row == '"007","",,7,-1.5,true,"[""a"", ""b""]"'


def test_csv_of_a_query_is_raw(con: duckdb.DuckDBPyConnection) -> None:
    """Every cell is as in the file."""
    table = fetch(con.execute("SELECT '=1+1' AS formula, ['a', 'b'] AS list, TRUE AS yes"))
    assert render([table], "csv", raw=True) == 'formula,list,yes\n=1+1,"[""a"", ""b""]",true\n'


def test_text_cannot_break_a_markdown_table(con: duckdb.DuckDBPyConnection) -> None:
    """A pipe or a line break starts no cell or row, and a tag is no markup."""
    table = fetch(con.execute("SELECT 'a|b' || CHR(10) || '<b>' AS text, 1 AS number"))
    assert render([table], "markdown") == "| text | number |\n|---|---:|\n| a\\|b \\<b\\> | 1 |\n"
    hook = render([read_report(con, "shareability")], "markdown")
    assert len(hook.splitlines()) == 4
    assert "\x1b" not in hook


@pytest.mark.parametrize("name", ["shareability", "top_clips", "moment_types"])
def test_a_terminal_shows_text_as_text(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Escape sequences and changes of direction do nothing; markup is not interpreted."""
    shown = render([read_report(con, name)], "table", width=200)
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
    if name != "shareability":
        assert "[bold red]bold_prediction[/]" in shown


@pytest.mark.parametrize("format", FORMATS)
def test_no_format_lets_an_api_control_a_terminal(
    con: duckdb.DuckDBPyConnection, format: str
) -> None:
    """Except csv, which is data."""
    if format != "csv":
        assert not {"\x1b", "\x9b", "\u202e"} & set(render([read_report(con, "top_clips")], format))


def test_every_report_fits_eighty_columns(con: duckdb.DuckDBPyConnection) -> None:
    """Numbers and instants are never cut; text is."""
    for name in report_names(con):
        lines = render([read_report(con, name)], "table", width=80).splitlines()
        assert max(map(len, lines)) <= 80, name
    usage = render([read_report(con, "credit_usage")], "table", width=80)
    assert " 8 Apr 2026" in usage


def test_a_long_report_says_what_it_leaves_out(con: duckdb.DuckDBPyConnection) -> None:
    """A terminal shows the first rows; the other formats have all."""
    table = fetch(con.execute("SELECT range AS n FROM range(100)"))
    assert "40 of 100 rows" in render([table], "table")
    assert "40 of 100 rows" in render([table], "table", raw=True)
    assert len(render([table], "table", rows=100).splitlines()) == 103
    assert len(json.loads(render([table], "json"))["rows"]) == 100
    nothing = fetch(con.execute("SELECT 1 AS n WHERE FALSE"))
    assert "no rows" in render([nothing], "table", raw=True)


def test_colour_is_for_terminals_that_want_it(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With NO_COLOR or a pipe, the text is plain."""
    table = read_report(con, "moment_types")
    assert "\x1b" not in render([table], "table")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "\x1b" in render([table], "table")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in render([table], "table")


def test_links_can_be_left_out(con: duckdb.DuckDBPyConnection) -> None:
    """They may have a signature that lets anyone download."""
    for name in report_names(con):
        assert not LINKS & set(read_report(con, name, Selection(links=False)).columns)
    assert "media_url" in read_report(con, "top-clips").columns
    clips = read_report(con, "top-clips", Selection(links=False))
    assert "signature" not in render([clips], "json")
