"""What the pages show works: every command, example, variable and link."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from pipelines.cli import main
from pipelines.service import SERVICES
from pipelines.warehouse.read import attach, report_names
from sandbox import Sandbox
from tests.support.demo_run import DemoRun, clean_environment

pytestmark = pytest.mark.xdist_group("demo")  # another worker would only wait for it

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "sources/*/README.md",
        "sandbox/README.md",
        "skills/*/*.md",
    )
    for path in sorted(ROOT.glob(pattern))
]
SOURCES = {
    "docs/sources-alone.md": "klipit",
    "sources/klipit/README.md": "klipit",
    "sources/clipus/README.md": "clipus",
}


def docs(name: str) -> str:
    """The text of a page below docs/."""
    return (ROOT / "docs" / f"{name}.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


def words_after_clipmart(line: str) -> Iterator[list[str]]:
    """What follows each `clipmart` of a shell's line, up to the next pipe or redirection."""
    words = shlex.split(line, comments=True) if "clipmart" in line else []
    for start, word in enumerate(words):
        if word == "clipmart" or word.endswith("/bin/clipmart"):
            rest = list(takewhile(lambda w: w[0] not in "|>&;", words[start + 1 :]))
            if rest:
                yield rest


def command_lines() -> list[tuple[str, str]]:
    """(page, what follows `clipmart`) in the blocks that are there to be copied."""
    return sorted(
        {
            (page.name, shlex.join(words))
            for page in PAGES
            for block in blocks(page.read_text(), "(?:sh|text)")
            for line in block.splitlines()
            for words in words_after_clipmart(line)
        }
    )


def mentions() -> list[tuple[str, str]]:
    """The same of `clipmart …` between backticks, which may leave arguments out."""
    return sorted(
        {
            (page.name, shlex.join(words))
            for page in PAGES
            for span in re.findall(r"`(clipmart\s[^`]+)`", unfenced(page.read_text()))
            for words in words_after_clipmart(" ".join(span.split()))
        }
    )


def unfenced(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Parse as the command line would, down to the last subcommand, without running anything."""
    context = command.make_context(command.name, words, parent=parent)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, subcommand, rest = command.resolve_command(context, rest)
        assert subcommand is not None, name
        parse(subcommand, rest, context)


@pytest.mark.parametrize(("page", "command"), command_lines())
def test_a_shown_command_exists(page: str, command: str) -> None:
    """Its name, its options and their values are those of the command line."""
    parse(main, shlex.split(command))


@pytest.mark.parametrize(("page", "command"), mentions())
def test_a_mentioned_command_exists(page: str, command: str) -> None:
    """Its name and each of its options are those of the command line."""
    current: click.Command = main
    for word in shlex.split(command):
        if word == "--help":
            continue
        if isinstance(current, click.Group):
            assert word in current.commands
            current = current.commands[word]
        elif word.startswith("--"):
            assert any(word in option.opts for option in current.params), word


def test_an_unknown_option_would_be_found() -> None:
    """The test above can fail."""
    with pytest.raises(click.UsageError):
        parse(main, ["sync", "--no-such-option"])
    with pytest.raises(click.UsageError):
        parse(main, ["no-such-command"])


def test_the_readme_is_a_front_door() -> None:
    """It stays short, starts with the demo, and leads to the index, which leads to every page."""
    assert len(README.splitlines()) <= 120
    assert "make demo" in README
    assert "](docs/README.md)" in README
    index = set(re.findall(r"\]\(([\w-]+\.md)\)", docs("README")))
    assert index == {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}


def test_every_command_has_its_row() -> None:
    """A command that no page mentions might as well not exist."""
    rows = re.findall(r"^\| `clipmart (\w+)` \|", docs("commands"), flags=re.M)
    assert sorted(rows) == sorted(main.commands)


def test_every_report_and_landing_table_has_its_row(demo_run: DemoRun) -> None:
    """The tables of the pages are those of the published file, no more and no fewer."""
    with attach(demo_run.data_dir / "warehouse.duckdb") as con:
        reports = set(report_names(con))
        landed = {
            f"{schema}.{name}"
            for schema, name in con.execute(
                """SELECT table_schema, table_name FROM information_schema.tables
                   WHERE table_schema IN ('klipit', 'clipus', 'clipmart')
                   AND table_name <> 'publication'"""
            ).fetchall()
        }
    for page in (README, docs("reports")):
        assert set(re.findall(r"^\| `(\w+)` \|", page, flags=re.M)) == reports
    assert set(re.findall(r"`((?:klipit|clipus|clipmart)\.\w+)`", docs("tables"))) == landed


def test_every_variable_has_its_row() -> None:
    """The variables that the settings read, and no other."""
    settings = (ROOT / "pipelines" / "settings.py").read_text()
    read = set(re.findall(r'"((?:CLIPMART|KLIPIT|CLIPUS)_\w+)"', settings))
    for service in SERVICES.values():
        read |= {service.key_variable, service.address_variable}
        read |= {service.account_variable} if service.account_path else set()
    rows = "".join(re.findall(r"^\|.*\|$", docs("configuration"), flags=re.M))
    assert set(re.findall(r"`((?:CLIPMART|KLIPIT|CLIPUS)_\w+)`", rows)) == read


def test_every_message_of_the_troubleshooting_page_exists() -> None:
    """The words in backticks in its first column are part of a string of the program."""
    strings = [
        node.value
        for top in ("pipelines", "sources")
        for file in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    messages = re.findall(r"^\| `([^`]+)`", docs("troubleshooting"), flags=re.M)

    assert len(messages) > 10
    assert [m for m in messages if not any(m in string for string in strings)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_have_targets(page: Path) -> None:
    """A link to a file of the project leads to a file, and to a heading in it."""
    for target in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", page.read_text()):
        path = page.parent / target[0] if target[0] else page
        assert path.exists(), target
        if target[1]:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.M)
            anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
            assert target[1] in anchors, target


@pytest.mark.parametrize(
    "target",
    sorted({t for page in PAGES for t in re.findall(r"`make (\w+)`", page.read_text())} | {"demo"}),
)
def test_make_targets_exist(target: str) -> None:
    """Every `make …` named is a target."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.M)


@pytest.mark.parametrize(("page", "service"), SOURCES.items())
def test_a_source_runs_alone_as_shown(
    page: str, service: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The example, word for word, on the sandbox: it prints the row it requested."""
    (example,) = [b for b in blocks((ROOT / page).read_text(), "python") if "dlt.pipeline" in b]
    (id_,) = re.findall(r'_source\(\["([^"]+)"\]\)', example)
    if service == "klipit":
        sandbox.add_job(id_, clips=2)
        url, key = sandbox.klipit_url, "klipit_sk_sandbox"
    else:
        sandbox.add_campaign(id_, videos=[{"id": "v1", "status": "ready"}])
        url, key = sandbox.clipus_url, "sk_live_sandbox"
    prefix = f"SOURCES__{service.upper()}__"
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env=clean_environment()
        | {f"{prefix}BASE_URL": url, f"{prefix}API_KEY": key, f"{prefix}MINUTE_SECONDS": "0"}
        | {"DLT_DATA_DIR": str(tmp_path / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "0  " in done.stdout  # the first row
    assert sandbox.asked("GET", f"*/{id_}", status=200) == 1


def test_the_python_example_runs(demo_run: DemoRun, tmp_path: Path) -> None:
    """The lines for Python and Jupyter, on the demo's data."""
    (example,) = [b for b in blocks(README, "python") if "from clipmart import" in b]
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env=clean_environment() | {"CLIPMART_DATA_DIR": os.fspath(demo_run.data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
