"""A warehouse file from somebody else: nothing in it can read the files of its reader."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipelines.settings import Settings
from pipelines.warehouse.read import connect
from sources.shared.errors import FixConfiguration
from tests.support.clipmart import Clipmart

SECRET = "root-of-all-passwords"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the reader's."""
    file = tmp_path / "passwd.csv"
    file.write_text(f"user\n{SECRET}\n")
    return file


def plant(settings: Settings, table: str, statements: str) -> Clipmart:
    """Replace a published table by another view."""
    with duckdb.connect(str(settings.warehouse)) as con:
        (kind,) = con.execute(
            "SELECT table_type FROM information_schema.tables "
            "WHERE table_schema || '.' || table_name = ?",
            [table],
        ).fetchone() or ("VIEW",)
        con.execute(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} {table}")
        con.execute(statements)
    return Clipmart(settings.data_dir.parent, {"CLIPMART_DATA_DIR": str(settings.data_dir)})


PLANTED = {
    "read_text": "CREATE VIEW {table} AS FROM read_text('{file}')",
    "read_csv": "CREATE VIEW {table} AS FROM read_csv('{file}')",
    "glob": "CREATE VIEW {table} AS FROM glob('{file}')",
    "subquery": "CREATE VIEW {table} AS SELECT (SELECT content FROM read_text('{file}')) AS x",
    "a file's name": "CREATE VIEW {table} AS FROM '{file}'",
    "a macro": "CREATE MACRO m() AS (SELECT max(content) FROM read_text('{file}'));"
    "CREATE VIEW {table} AS SELECT m() AS content",
    "a macro of rows": "CREATE MACRO rows(f) AS TABLE FROM read_text(f);"
    "CREATE VIEW {table} AS FROM rows('{file}')",
    "text that is run": "CREATE VIEW {table} AS FROM query('FROM read_text(''{file}'')')",
    "behind another name": """CREATE VIEW {table} AS FROM read_text('{file}');
        CREATE VIEW "x AS SELECT 1 --" AS FROM read_text('{file}')""",
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_a_view_over_other_files_is_run_by_no_command(
    published: Settings, secret: Path, planted: str
) -> None:
    """Neither report, page nor query shows a line of the file; connect() refuses."""
    clipmart = plant(
        published, "reports.moment_types", planted.format(table="reports.moment_types", file=secret)
    )
    page = clipmart.folder / "page.html"
    for command in (
        ("report", "moment-types"),
        ("report", "--html", str(page)),
        ("query", "FROM reports.moment_types"),
    ):
        ended = clipmart(*command)
        assert ended.code in (2, 3), ended
        assert SECRET not in ended.out + ended.err, ended
    assert "clipmart did not write" in clipmart("report", "moment-types").err
    assert not page.exists()
    with pytest.raises(FixConfiguration, match="clipmart did not write"):
        connect()


@pytest.mark.parametrize("table", ["reports.freshness", "klipit.jobs", "clipmart.rejected_records"])
def test_other_readers_are_locked_down_too(published: Settings, secret: Path, table: str) -> None:
    """Status, doctor, ids, rejected and recover read the published file as well."""
    clipmart = plant(published, table, f"CREATE VIEW {table} AS FROM read_csv('{secret}')")
    published.landing.unlink()
    for command in ("status", "rejected", "recover", "doctor", "docs"):
        ended = clipmart(command)
        assert SECRET not in ended.out + ended.err, ended
    assert SECRET not in (published.data_dir / "dictionary.html").read_text()


def test_a_published_file_is_accepted(published: Settings, tmp_path: Path) -> None:
    """connect() accepts every view of the models, and a person's own statement writes elsewhere."""
    out = tmp_path / "jobs.csv"
    connect().execute(f"COPY (FROM reports.job_turnaround) TO '{out}'")
    assert len(out.read_text().splitlines()) == 3
