"""Help fits a screen and shows examples that are right; the shell completes what one begins."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.cli.commands import TASKS

PROGRAMS = Path(sys.executable).parent


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def command_at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


def help_of(*path: str) -> list[str]:
    return CliRunner().invoke(main, [*path, "--help"], prog_name="clipmart").output.splitlines()


ALL = sorted(commands(main))
EXAMPLE = re.compile(r"  clipmart (?!COMMAND)(.*?)(?:   .*)?$")


@pytest.mark.parametrize("path", [(), *ALL], ids=lambda path: " ".join(path) or "clipmart")
def test_help_fits_a_screen(path: tuple[str, ...]) -> None:
    """At most 40 lines of 80 columns, nothing cut off, an example, a word on each option."""
    lines = help_of(*path)

    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines[1:] if line.endswith("...")]
    assert any(match[1].startswith(" ".join(path)) for match in map(EXAMPLE.match, lines) if match)
    options = [each for each in command_at(path).params if isinstance(each, click.Option)]
    assert all(option.help for option in options)


@pytest.mark.parametrize(
    "example",
    sorted({m[1] for path in [(), *ALL] for m in map(EXAMPLE.match, help_of(*path)) if m}),
)
def test_an_example_is_a_command(example: str) -> None:
    """Its options and values are those of the command line, though nothing is run."""
    words = shlex.split(re.split(r" >|\|", example)[0])
    command, context = main.commands[words[0]], click.Context(main, info_name="clipmart")
    while isinstance(command, click.Group):
        words = words[1:]
        command = command.commands[words[0]]
    command.make_context(words[0], words[1:], parent=context)


def test_every_command_has_its_task() -> None:
    """None is listed twice, and none is missing from the help."""
    named = [command.name for commands in TASKS.values() for command in commands]
    assert sorted(main.commands) == sorted(map(str, named))
    assert main.commands.keys() <= {line.split()[0] for line in help_of() if line.strip()}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("clipmart cred", ["credits"]),
        ("clipmart track k", ["klipit"]),
        ("clipmart report shareability-w", ["shareability-weekly"]),
        ("clipmart report video_readiness_", ["video_readiness_by_platform"]),
        ("clipmart sync --max", ["--max-minutes"]),
        ("clipmart schedule s", ["systemd"]),
        ("clipmart report --format m", ["markdown"]),
    ],
)
def test_bash_completes(line: str, offered: list[str], completion: Path) -> None:
    """By the script that click writes, in bash itself."""
    words = line.split()
    asked = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _clipmart_completion clipmart"
    done = subprocess.run(
        ["bash", "-c", f'source {completion}; {asked}; echo "${{COMPREPLY[@]}}"'],
        env={"PATH": f"{PROGRAMS}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.stdout.split(), done.stderr) == (offered, "")


@pytest.fixture(scope="module")
def completion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = tmp_path_factory.mktemp("completion") / "clipmart"
    environ = {"PATH": "/usr/bin:/bin", "_CLIPMART_COMPLETE": "bash_source"}
    with script.open("w") as file:
        subprocess.run([PROGRAMS / "clipmart"], env=environ, stdout=file, check=True, timeout=30)
    return script


def test_completion_imports_nothing_heavy() -> None:
    """It runs at every press of Tab."""
    code = (
        "import os, sys\n"
        "from pipelines.cli import main\n"
        "try:\n    main(prog_name='clipmart')\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'duckdb', 'rich', 'sqlglot', 'httpx', 'dlt'} & sys.modules.keys()))"
    )
    asked = {
        "_CLIPMART_COMPLETE": "bash_complete",
        "COMP_WORDS": "clipmart report ",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "plain,top-clips" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
