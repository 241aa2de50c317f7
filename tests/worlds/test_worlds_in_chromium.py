"""The page of every world, in a real browser, on a phone and on a desktop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.clipmart import Clipmart
from tests.support.missing_words import problems
from tests.support.programs import needs
from tests.support.worlds import worlds

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of the module, not the session: its event loop must not meet other tests."""
    chromium = needs("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield started
        started.close()


# Each has something that no other has: a browser takes a second for a page.
QUICK = (
    "ids_without_metadata",
    "all_failed",
    "null_scores",
    "negative_and_huge_scores",
    "no_created_at",
    "dates_of_1970_and_2031",
    "only_clipus",
    "two_hundred_shows",
    "control_characters",
    "names_of_300_characters",
    "records_rejected",
    "nothing_at_all",
)
GROUP = "worlds in chromium"


@pytest.mark.parametrize("world", worlds(*QUICK, group=GROUP), indirect=True)
def test_the_page_is_quiet_and_fits(world: Clipmart, browser: Browser) -> None:
    """No console message or request, no sideways scrolling, no word that means 'no value'."""
    assert world("report", "--html", "page.html").code == 0
    file = world.folder / "page.html"
    noise: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda request: noise.append(request.url))
    try:
        page.goto(file.as_uri())
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 844})
            for opened in (False, True):
                page.evaluate(
                    "o => document.querySelectorAll('details').forEach(d => d.open = o)", opened
                )
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide == width, f"{wide} px wide, details open: {opened}"
        # As it is read: with the labels that charts have for screen readers.
        words = page.evaluate(
            "document.body.innerText + [...document.querySelectorAll('[aria-label]')]"
            ".map(e => '\\n' + e.getAttribute('aria-label')).join('')"
        )
    finally:
        page.close()
    assert [line for line in noise if line not in (file.as_uri(), "data:,")] == []
    assert not problems(world, words.replace("\t", " "))
