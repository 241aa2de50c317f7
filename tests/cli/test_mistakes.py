"""A mistake is answered with its exit code, what became of the data, and what to type next."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from pipelines.cli import main
from tests.support.clipmart import Clipmart

PLACEHOLDERS = {"BALANCE": "120", "FILE": "file.csv", "ID": "job_1", "SUBMISSION": "s-1"}


def parse(line: str) -> None:
    """Parse `clipmart …` down to its last option, without running it."""
    name, *words = shlex.split(line)[1:]
    main.commands[name].make_context(
        name, [PLACEHOLDERS.get(word, word) for word in words], parent=click.Context(main)
    )


MISTAKES = {
    "track klipit": 2,
    "track klipit job_1 job_2 --intent s": 2,
    "track klipit job_1 --intent s": 2,
    "credits -- -5": 2,
    "credits -5": 2,
    "credits": 2,
    "credits --undo": 2,
    "credits 5 --undo": 2,
    "credits 5 --at yesterday": 2,
    "credits 5 --at 2099-01-01T00:00:00Z": 2,
    "export https://example.com": 2,
    "publish": 3,
    "sync --refresh job_nobody_knows": 2,
    "report": 3,
    "query 'SELECT 1'": 3,
}


@pytest.mark.parametrize(("mistake", "code"), MISTAKES.items())
def test_a_mistake_is_answered_with_the_next_command(
    clipmart: Clipmart, mistake: str, code: int
) -> None:
    """In a message without a traceback; each command that it names is one."""
    done = clipmart(*shlex.split(mistake))

    assert done.code == code
    named = re.findall(r"`(clipmart [^`]+)`", done.err)
    assert named, done.err
    for command in named:
        parse(command)


@pytest.mark.parametrize(("mistake", "code"), {"report nix": 2, "query 'SELEC 1'": 2}.items())
def test_a_mistake_about_what_is_published_too(synced: Clipmart, mistake: str, code: int) -> None:
    """It lists what there is, or says how to."""
    done = synced(*shlex.split(mistake))
    assert done.code == code
    for command in re.findall(r"`(clipmart [^`]+)`", done.err):
        parse(command)
        assert synced(*shlex.split(command)[1:]).code == 0


@pytest.mark.parametrize(
    ("typed", "meant"), [("snyc", "sync"), ("sync --refesh job_1", "--refresh")]
)
def test_a_slip_of_the_finger_is_guessed(clipmart: Clipmart, typed: str, meant: str) -> None:
    """2, and what was probably meant."""
    done = clipmart(*typed.split())
    assert done.code == 2 and f"Did you mean '{meant}'" in done.err
