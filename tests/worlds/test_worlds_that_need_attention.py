"""What needs attention has the same words and counts on the page, in status and in doctor."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from tests.support.clipmart import Clipmart


def page(world: Clipmart) -> str:
    """The report page's words."""
    assert world("report", "--html", "words.html").code == 0
    body = (world.folder / "words.html").read_text().partition("</style>")[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def notes(world: Clipmart) -> str:
    """What the page says in its box on top."""
    return re.split(" Post next | In total ", page(world).partition("Needs attention")[2])[
        0
    ].strip()


def checks(world: Clipmart) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in world("status", "--json").json()["checks"]}


def in_world(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("world", [name], indirect=True)


@in_world("values_noted")
def test_a_value_that_was_left_out_is_not_a_rejected_record(world: Clipmart) -> None:
    """Both jobs landed: nothing needs attention, and the audits' odd values are separate."""
    words = "2 undocumented values were left out"
    assert notes(world) == "Nothing at the moment."
    assert f"Rejected or noted: {words}." in page(world)
    lines = checks(world)
    assert (lines["rejected"]["level"], lines["rejected"]["message"]) == ("ok", words)
    assert lines["odd values"]["message"] == "none"


@in_world("records_rejected")
def test_records_ids_and_values_are_counted_separately(world: Clipmart) -> None:
    """One record could not be loaded; two ids that do not exist need no attention."""
    words = "1 record could not be loaded, 2 ids were not found, 1 undocumented value was left out"
    assert "1 record could not be loaded. Reasons: clipmart rejected" in notes(world)
    assert f"Rejected or noted: {words}." in page(world)
    lines = checks(world)
    assert (lines["rejected"]["level"], lines["rejected"]["message"]) == ("warn", words)
    assert words in " ".join(world("doctor").out.split())
    last = "exit 1; 3 ids or records were rejected; `clipmart rejected` says why"
    assert lines["last sync"]["message"] == last


@in_world("not_found_only")
def test_ids_that_do_not_exist_are_not_rejected_records(world: Clipmart) -> None:
    """Status counts them as ids, and so does the page."""
    lines = checks(world)
    assert lines["rejected"]["message"] == "3 ids were not found"
    assert "3 ids or records were rejected" in lines["last sync"]["message"]
    assert "So far 3 ids were not found." in page(world)


@in_world("all_failed")
def test_failures_are_named_with_their_reasons(world: Clipmart) -> None:
    """Even if the last of them is weeks old: up to three, the latest first."""
    box = notes(world)
    assert "4 episodes failed." in box
    assert "The Show : No speech found The Show : no reason given The Show : Timed out. " in box
    assert "1 campaign failed." in box
    lines = checks(world)
    assert lines["failed jobs"]["level"] == lines["failed campaigns"]["level"] == "warn"
    assert lines["failed jobs"]["message"].startswith(
        "4 lately: job_0 (No speech found), job_1 (no reason given), job_2 (Timed out."
    )
    assert lines["failed jobs"]["message"].endswith("…) and 1 more")
    assert lines["failed campaigns"]["items"] == ["c-1"]


@in_world("an_old_failure")
def test_a_failure_of_long_ago_is_only_counted(world: Clipmart) -> None:
    """The checks count it; the page does not list it."""
    assert notes(world) == "Nothing at the moment."
    lines = checks(world)["failed jobs"]
    assert (lines["level"], lines["message"]) == ("ok", "none lately, 1 in total")


@in_world("no_created_at")
def test_episodes_without_a_creation_date_still_count(world: Clipmart) -> None:
    """Finished ones are shown as finished, and a failed one is shown too."""
    words = page(world)
    assert "2 finished, 1 running, 1 failed" in words
    assert "No episode is finished yet" not in words
    assert "1 episode failed." in notes(world)
    assert "job_3 : No speech found" in notes(world)


@in_world("only_balances")
def test_a_balance_without_an_id_is_shown(world: Clipmart) -> None:
    """The page without episodes and campaigns shows the same as `report credit-usage`."""
    words = page(world)
    assert "No episode or campaign has been loaded yet" in words
    assert "Credits left: 100" in words
    assert checks(world)["credits"]["message"].startswith("100 left")
