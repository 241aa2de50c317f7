"""What a notebook needs besides its question: which data it reads, and how its tables look."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from clipmart.notebook import charts, open_data, table
from pipelines.settings import Settings
from pipelines.warehouse import report
from pipelines.warehouse.read import NotPublished
from sources.shared.errors import FixConfiguration


@pytest.fixture
def pages(published: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of copied notebooks, which the kernel works in; no published file is near."""
    published.data_dir.rename(tmp_path / "elsewhere")
    folder = tmp_path / "project" / "pages"
    folder.mkdir(parents=True)
    monkeypatch.setenv("CLIPMART_DATA_DIR", "")  # restored after the test
    monkeypatch.chdir(folder)
    return folder


def publish_in(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(tmp_path / "elsewhere/warehouse.duckdb", folder)


def test_data_is_found_in_a_folder_above(
    pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`data` next to the folder with the copied notebooks; `report()` reads the same."""
    publish_in(pages.parent / "data", tmp_path)
    con = open_data()
    assert capsys.readouterr().out.startswith(
        f"This page reads your own data in {pages.parent}/data, published on "
    )
    assert len(con.sql("FROM reports.shareability").df()) == len(report("shareability")) == 2


def test_a_relative_folder_that_is_named_is_searched_for_likewise(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `.env` in the folder above may name it."""
    publish_in(pages.parent / "my data", tmp_path)
    monkeypatch.setenv("CLIPMART_DATA_DIR", "my data")
    open_data()
    assert os.environ["CLIPMART_DATA_DIR"] == str(pages.parent / "my data")


def test_own_data_comes_before_the_demo_as_soon_as_there_is_some(
    pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the same kernel, by running the page again."""
    publish_in(pages / "data/demo", tmp_path)
    open_data()
    assert "reads the demo's made-up data, published" in capsys.readouterr().out
    publish_in(pages / "data", tmp_path)
    open_data()
    assert "reads your own data in data, published" in capsys.readouterr().out


def test_without_data_it_says_where_it_looked(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to do; a file elsewhere is not read."""
    with pytest.raises(NotPublished) as error:
        open_data()
    assert f"in {pages}/data, nor in data of any folder above. Run `" in str(error.value)
    monkeypatch.setenv("CLIPMART_DATA_DIR", "/mnt/clips")
    with pytest.raises(NotPublished, match=r"published in /mnt/clips\. Run `"):
        open_data()


def test_a_table_shows_text_as_text_and_a_word_for_what_is_missing() -> None:
    """The same rows are the same HTML, however often they are shown."""
    rows = duckdb.sql("SELECT 1.25 AS score, '<b>' AS hook UNION ALL SELECT NULL, NULL ORDER BY 1")
    shown = table(rows, missing="not known").to_html()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert shown.count("not known") == 2
    assert not any(word in shown for word in ("None", "nan", "NaN", "1.250"))
    assert table(rows, missing="not known").to_html() == shown


def test_a_date_has_no_time_of_day() -> None:
    """An instant is shown to the minute."""
    shown = table(
        duckdb.sql(
            """
            SELECT DATE '2026-04-01' AS day, TIMESTAMP '2026-04-01 10:30:59' AS seen_at,
              NULL::TIMESTAMPTZ AS published_at
            """
        )
    ).to_html()
    assert ">2026-04-01<" in shown
    assert ">2026-04-01 10:30<" in shown


def test_a_table_says_that_it_is_empty_or_cut() -> None:
    """A thousand shows do not fill the page."""
    assert "Nothing to show." in table(pd.DataFrame({"show_name": []})).to_html()
    many = table(pd.DataFrame({"show_name": range(1000)})).to_html()
    assert "The first 60 of 1000 rows." in many
    assert many.count("<tr") == 61


def test_without_the_extra_charts_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, not the name of a module that is missing."""
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(FixConfiguration, match=r"pip install 'clipmart\[notebooks\]'"):
        charts()
