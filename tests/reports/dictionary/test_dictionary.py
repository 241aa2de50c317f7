"""`clipmart docs`: every table and column with its meaning, and a graph with only true edges."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import duckdb

from pipelines.warehouse.read import attach
from tests.support.clipmart import Clipmart

SQL = Path(__file__).parents[3] / "sql"
LANDING = ("klipit", "clipus", "clipmart")


class Read(HTMLParser):
    """What a reader finds: by `table.column` the parts of its line, and the graph's edges."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.columns: dict[str, list[str]] = {}
        self.edges: set[tuple[str, str]] = set()
        self.ids: list[str] = []
        self.targets: set[str] = set()
        self._line: list[str] = []
        self._inside = False
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if attributes.get("id"):
            self.ids.append(attributes["id"])
        if attributes.get("href", "").startswith("#"):
            self.targets.add(attributes["href"][1:])
        if attributes.get("class") == "column":
            self._line = self.columns[attributes["id"]] = []
        if tag in ("dt", "dd"):
            self._line.append("")
            self._inside = True
        if tag == "path":
            self.edges.add((attributes["data-from"], attributes["data-to"]))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("dt", "dd"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._line[-1] += data


def in_file(warehouse: Path) -> dict[str, tuple[str, str]]:
    """Type and comment of every `schema.table.column` of a published file."""
    with attach(warehouse) as con:
        rows = con.execute(
            """SELECT schema_name || '.' || table_name || '.' || column_name, data_type, comment
               FROM duckdb_columns() WHERE database_name = current_database()"""
        ).fetchall()
    return {name: (kind, comment) for name, kind, comment in rows}


def read_by_regex() -> set[tuple[str, str]]:
    """(source, model) by what follows FROM and JOIN, or what a loop lists; comments left out."""
    edges = set()
    for path in (SQL / "models").rglob("*.sql"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        (model,) = re.findall(r"^  name (\S+),", text, flags=re.M)
        sources = re.findall(r"(?<!DISTINCT )\b(?:FROM|JOIN)\s+(\w+\.\w+)", text)
        sources += re.findall(r"^  '(\w+\.\w+)': ", text, re.M)  # freshness
        sources += re.findall(r"^    '\w+\.\w+', '(\w+\.\w+)',$", text, re.M)  # audit_findings
        edges |= {(source, model) for source in sources}
    return edges


def test_every_column_of_the_published_file_is_there_with_its_meaning(
    published: Clipmart, page: Path
) -> None:
    """Its type and the file's own comment, and nothing that is not in the file."""
    columns = Read(page).columns
    expected = in_file(published.warehouse)

    assert columns.keys() == expected.keys()
    for name, (kind, comment) in expected.items():
        _, shown, meaning = columns[name]
        assert meaning == comment and meaning.strip()
        assert shown.split()[0] == kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    assert "not in the api reference" in columns["klipit.jobs.tags"][2].lower()


def test_it_needs_only_the_models(clipmart: Clipmart, published: Clipmart, tmp_path: Path) -> None:
    """Before anything has landed: every documented column, by default in the data folder."""
    done = clipmart("docs")

    assert done.out.strip() == str(clipmart.data_dir / "dictionary.html")
    assert [path.name for path in clipmart.data_dir.iterdir()] == ["dictionary.html"]
    documented = in_file(published.warehouse).keys() - {"klipit.jobs.tags"}
    assert Read(clipmart.data_dir / "dictionary.html").columns.keys() == documented


def test_every_edge_is_true_and_none_is_missing(page: Path) -> None:
    """As in the models' own FROM and JOIN; the one model that the page names is left out."""
    expected = read_by_regex()
    assert ("staging.stg_klipit__jobs", "reports.shareability") in expected
    drawn = {edge for edge in expected if edge[1] != "reports.freshness"}

    assert Read(page).edges == drawn
    text = page.read_text()
    assert "which looks at every landing table, is left out" in text
    for source, model in expected:
        article = text.split(f'<article aria-labelledby="{model}">')[1].split("</article>")[0]
        made_from = article.split("Made from")[1].split("</p>")[0]
        assert f">{source}<" in made_from


def test_every_link_has_a_target(page: Path) -> None:
    """Each names an element of the page, and no name occurs twice."""
    read = Read(page)
    assert read.targets <= set(read.ids)
    assert len(read.ids) == len(set(read.ids))


def test_a_number_has_the_unit_that_its_meaning_names(page: Path) -> None:
    """Every measured number has one; if the comment says it in words, it is that one."""
    said = {
        r"\bin seconds\b|length in seconds": "seconds",
        r"\bpoints\b": "points",
        r"^Credits (left|used that|added)|^Credits at its": "credits",
        r"0 to 1\b": "0 to 1",
        r"UTC instant": "UTC instant",
        r"^Hours ": "hours",
    }
    checked = set()
    for name, (_, shown, meaning) in Read(page).columns.items():
        kind, _, unit = " ".join(shown.split()).partition(" ")
        if kind == "DOUBLE":
            assert unit, name
        for pattern, expected in said.items():
            if kind in ("DOUBLE", "TIMESTAMPTZ") and re.search(pattern, meaning):
                assert unit == expected, (name, meaning)
                checked.add(expected)
    assert checked == set(said.values())


def test_the_key_is_marked(page: Path) -> None:
    """For a model its grain, for a landing table the key that dlt merges by."""
    keys = {n for n, (head, *_) in Read(page).columns.items() if head.split()[1:] == ["key"]}
    assert {"reports.shareability.job_id", "clipus.videos.id", "clipus.videos.campaign_id"} <= keys
    assert {name for name in keys if name.startswith("reports.credit_usage.")} == {
        "reports.credit_usage.day"
    }


def test_a_field_that_the_api_named_oddly_stays_text(
    published: Clipmart, clipmart: Clipmart
) -> None:
    """Markup in a column's name is shown as text; control characters become visible."""
    clipmart.data_dir.mkdir()
    shutil.copy(published.warehouse, clipmart.warehouse)
    with duckdb.connect(str(clipmart.warehouse)) as con:
        con.execute('ALTER TABLE klipit.jobs ADD COLUMN "<script>alert(1)</script>\u202e" VARCHAR')

    clipmart("docs", "page.html")

    text = (clipmart.folder / "page.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text and "\u202e" not in text


def test_a_folder_that_cannot_be_written_is_named(clipmart: Clipmart) -> None:
    """Exit 3, naming the file; no part of a page is left."""
    (clipmart.folder / "taken").write_text("")
    done = clipmart("docs", "taken/page.html")
    assert done.code == 3 and "taken" in done.err
