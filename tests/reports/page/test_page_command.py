"""`clipmart report --html FILE`: what it writes, where, and its messages if it cannot."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import click
import duckdb
import pytest

from pipelines.cli import main
from pipelines.ledger.ledger import Ledger
from pipelines.settings import Settings
from tests.support.clipmart import Clipmart
from tests.support.page_data import NOW, STEERING

pytestmark = pytest.mark.xdist_group("page")  # the stores are created once


def commands_of(page: str) -> set[str]:
    """Every `clipmart …` command on the page."""
    spans = re.findall(r"<code>(.*?)</code>", page, flags=re.S)
    lines = [line for span in spans for line in unescape(span).splitlines()]
    return {line for line in lines if line.startswith("clipmart ")}


def parse(words: list[str]) -> None:
    """Parse as the command line would, down to the last subcommand, without running anything."""
    command: click.Command = main
    context = None
    while True:
        context = command.make_context(words[0], words[1:], parent=context)
        if not isinstance(command, click.Group):
            return
        words = [*context._protected_args, *context.args]
        _, subcommand, _ = command.resolve_command(context, words)
        assert subcommand is not None
        command = subcommand


def test_it_writes_one_file_and_prints_its_path(on_month: Clipmart) -> None:
    """The path goes to stdout, a note on links to stderr; the file can be mailed."""
    done = on_month("report", "--html", "a page.html")
    file = on_month.folder / "a page.html"
    assert (done.code, done.out) == (0, f"{file}\n")
    assert re.fullmatch("Download links in the page may be signed: .* `--no-links` .*\n", done.err)
    assert [path.name for path in on_month.folder.iterdir()] == ["a page.html"]
    assert file.stat().st_size < 300_000
    page = file.read_text()
    assert page.splitlines()[0] == "<!doctype html>"
    assert str(on_month.folder) not in page


def test_an_older_page_is_replaced_whole(on_month: Clipmart) -> None:
    """Through a link too, which stays a link; others may read it like any new file."""
    real = on_month.folder / "real.html"
    real.write_text("older " * 1_000_000)
    link = on_month.folder / "report.html"
    link.symlink_to(real)
    done = on_month("report", "--html", "report.html")
    assert (done.code, done.out) == (0, f"{real}\n")
    assert link.is_symlink()
    assert "older" not in real.read_text()
    (on_month.folder / "any").touch()
    assert real.stat().st_mode == (on_month.folder / "any").stat().st_mode


@pytest.mark.parametrize("arguments", [["moment-types"], ["--format", "csv"]])
def test_a_name_or_a_format_with_html_is_refused(on_month: Clipmart, arguments: list[str]) -> None:
    """Exit 2, and nothing is written."""
    done = on_month("report", *arguments, "--html", "report.html")
    assert done.code == 2
    assert "neither NAME nor --format" in done.err
    assert list(on_month.folder.iterdir()) == []


def test_a_folder_that_is_missing_is_named(on_month: Clipmart) -> None:
    """The message says how to create it."""
    done = on_month("report", "--html", "no/where.html")
    assert (done.code, done.out) == (3, "")
    assert f"Create the folder {on_month.folder / 'no'} first" in done.err


def test_a_file_in_the_folders_place_is_named(on_month: Clipmart) -> None:
    """The path has a file where a folder should be."""
    (on_month.folder / "file").write_text("mine")
    done = on_month("report", "--html", "file/report.html")
    assert done.code == 3
    assert "could not be written (Not a directory)" in done.err


@pytest.mark.parametrize("place", ["folder", "/dev/null"])
def test_only_a_file_is_replaced(on_month: Clipmart, place: str) -> None:
    """Exit 2, and nothing is written."""
    (on_month.folder / "folder").mkdir()
    done = on_month("report", "--html", place)
    assert done.code == 2
    assert "is not a file" in done.err
    assert not Path(place).is_file()
    assert [path.name for path in on_month.folder.iterdir()] == ["folder"]


def test_a_full_disk_leaves_the_older_page(on_month: Clipmart) -> None:
    """Simulated by a process that may write only 4 KB; no part of a file is left."""
    page = on_month.folder / "report.html"
    page.write_text("older")
    limit = (
        "import resource, signal, runpy; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "runpy.run_module('pipelines', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", limit, "report", "--html", "report.html"],
        cwd=on_month.folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **on_month.environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert "An earlier file there is unchanged" in done.stderr
    assert page.read_text() == "older"
    assert [path.name for path in on_month.folder.iterdir()] == ["report.html"]


def test_before_anything_is_published(clipmart: Clipmart) -> None:
    """Exit 3, as for `report`, and no page."""
    done = clipmart("report", "--html", "report.html")
    assert done.code == 3
    assert "Nothing is published at" in done.err
    assert list(clipmart.folder.iterdir()) == []


def test_a_file_of_an_earlier_version_is_named(month: Settings, clipmart: Clipmart) -> None:
    """It lacks a table that the page shows: one line says how to publish it again."""
    clipmart.data_dir.mkdir()
    shutil.copyfile(month.warehouse, clipmart.warehouse)
    with duckdb.connect(str(clipmart.warehouse)) as con:
        con.execute("DROP VIEW staging.page_weeks")
    done = clipmart("report", "--html", "page.html")
    assert done.code == 3 and "page_weeks" in done.err and "`clipmart publish`" in done.err
    assert not (clipmart.folder / "page.html").exists()


def test_links_can_be_left_out(on_month: Clipmart) -> None:
    """They may have a signature that lets anyone download."""
    assert on_month("report", "--html", "with.html").code == 0
    assert on_month("report", "--html", "without.html", "--no-links").err == ""
    assert "ok.example" in (on_month.folder / "with.html").read_text()
    without = (on_month.folder / "without.html").read_text()
    assert "ok.example" not in without
    assert "may be signed" not in without


def test_the_source_of_the_page_has_no_control_characters(on_month: Clipmart) -> None:
    """And no characters that change the writing direction."""
    on_month("report", "--html", "report.html")
    page = (on_month.folder / "report.html").read_text()
    assert not set(STEERING) - set("gnp.exe[31m") & set(page)
    assert "gnp.exe" in page


@pytest.mark.parametrize("store", ["on_month", "on_empty"])
def test_every_command_on_the_page_exists(store: str, request: pytest.FixtureRequest) -> None:
    """Parsed by the command line itself, as a shell would pass it."""
    clipmart: Clipmart = request.getfixturevalue(store)
    clipmart("report", "--html", "it's.html")
    commands = commands_of((clipmart.folder / "it's.html").read_text())
    assert len(commands) > 5
    for command in commands:
        parse(shlex.split(command))


def test_an_empty_store_says_what_to_do(on_empty: Clipmart) -> None:
    """Published, but without data: keys, ids, sync, and this command again."""
    assert on_empty("report", "--html", "new.html").code == 0
    page = (on_empty.folder / "new.html").read_text()
    assert "<h1>No episode or campaign has been loaded yet</h1>" in page
    assert "Credits left" not in page
    assert {
        "clipmart track klipit --from jobs.csv",
        "clipmart submit clipus --url URL",
        "clipmart sync",
        "clipmart report --html new.html",
    } <= commands_of(page)


def test_runs_after_the_last_publishing_are_shown(on_month: Clipmart, tmp_path: Path) -> None:
    """A run that published nothing is only in the run log, and is first in the list."""
    data = tmp_path / "data"
    data.mkdir()
    warehouse = Path(on_month.environ["CLIPMART_DATA_DIR"]) / "warehouse.duckdb"
    (data / "warehouse.duckdb").symlink_to(warehouse)
    ledger = Ledger(Settings(data_dir=data).ledger)
    service = {"requests": 4321, "loaded": {"jobs": 3, "clips": 4}, "rejected": 2}
    try:
        ledger.start_run("late", NOW)
        ledger.finish_run("late", NOW, {"exit_code": 3, "services": {"klipit": service}})
    finally:
        ledger.close()
    on_month.environ["CLIPMART_DATA_DIR"] = str(data)
    assert on_month("report", "--html", "report.html").code == 0
    page = (tmp_path / "report.html").read_text()
    runs = page[page.index('aria-label="Last runs"') :]
    (first,) = re.findall(r"<tbody[^>]*>(.*?)</tr>", runs, flags=re.S)[:1]
    words = " ".join(re.sub(r"<.*?>", " ", first).split())
    assert words == "30 Apr 2026, 12:00 configuration, or a refused key 4,321 7 2"
    assert "The last sync ended with exit code 3" in page

    Settings(data_dir=data).ledger.write_bytes(b"damaged" * 1000)
    assert on_month("report", "--html", "report.html").code == 0
    assert "The last sync ended with exit code 75" in (tmp_path / "report.html").read_text()


def test_only_the_page_imports_the_template_engine(on_month: Clipmart) -> None:
    """And it imports no pandas, loader or HTTP client."""
    code = (
        "import sys\nfrom pipelines.cli import main\n"
        "try:\n    main(sys.argv[2:])\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "found = set(sys.argv[1].split()) & sys.modules.keys()\nassert not found, found"
    )
    heavy = "dlt sqlmesh pandas pyarrow httpx rich"
    for absent, arguments in [("jinja2", []), (heavy, ["--html", "report.html"])]:
        done = subprocess.run(
            [sys.executable, "-c", code, absent, "report", *arguments],
            cwd=on_month.folder,
            env={"PATH": "/usr/bin:/bin", **on_month.environ},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr


def test_credits_need_attention_below_the_operators_limit(on_month: Clipmart) -> None:
    """CLIPMART_CREDIT_DAYS, as for `status`."""
    days = on_month("query", "SELECT days_left FROM staging.credit_forecast", "--format", "csv").out
    left = float(days.splitlines()[1])
    for limit, presses in ((left + 1, True), (left - 0.5, False)):
        on_month.environ["CLIPMART_CREDIT_DAYS"] = f"{limit},0"
        assert on_month("report", "--html", "report.html").code == 0
        page = (on_month.folder / "report.html").read_text()
        assert ("Credits run out around" in page) == presses, limit
