"""The page of every world, in a real browser, on a phone and on a desktop."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
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
KLIPIT, CLIPUS = {"next", "shareability"}, {"videos"}
OVERLAPS = """[...document.querySelectorAll('svg.chart')].flatMap(svg => {
  const labels = [...svg.querySelectorAll('text')].map(
    t => [t.textContent, t.getBoundingClientRect()]);
  return labels.flatMap(([text, a], i) => labels.slice(0, i)
    .filter(([, b]) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
    .map(([other]) => `${text} over ${other}`)) })"""


def sections_of(world: Clipmart) -> set[str]:
    """The sections that the landed rows of either service give."""
    with duckdb.connect(str(world.warehouse), read_only=True) as con:
        rows = con.execute(
            "SELECT (SELECT COUNT(*) FROM klipit.jobs), (SELECT COUNT(*) FROM clipus.campaigns)"
        ).fetchone() or (0, 0)
    return (KLIPIT if rows[0] else set()) | (CLIPUS if rows[1] else set())


@pytest.mark.parametrize("world", worlds(*QUICK, group=GROUP), indirect=True)
def test_the_page_is_quiet_and_fits(world: Clipmart, browser: Browser) -> None:
    """No console message or request, no sideways scrolling, no word that means 'no value'.

    No label over another one, and no section of a service that is not used.
    """
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
            assert page.evaluate(OVERLAPS) == [], f"labels at {width} px"
        shown = set(page.evaluate("[...document.querySelectorAll('section')].map(s => s.id)"))
        # As it is read: with the labels that charts have for screen readers.
        words = page.evaluate(
            "document.body.innerText + [...document.querySelectorAll('[aria-label]')]"
            ".map(e => '\\n' + e.getAttribute('aria-label')).join('')"
        )
    finally:
        page.close()
    assert [line for line in noise if line not in (file.as_uri(), "data:,")] == []
    assert shown & {*KLIPIT, *CLIPUS} == sections_of(world)
    assert not problems(world, words.replace("\t", " "))


@pytest.mark.parametrize(
    "world", worlds("only_clipus", "names_of_300_characters", group=GROUP), indirect=True
)
def test_the_page_is_accessible(world: Clipmart, browser: Browser) -> None:
    """No finding of axe on a phone, where tables are cards; five rows of a table are enough."""
    assert world("report", "--html", "axe.html").code == 0
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    try:
        page.goto((world.folder / "axe.html").as_uri())
        page.evaluate(
            "document.querySelectorAll('tbody tr:nth-child(n+6)').forEach(r => r.remove());"
            "document.querySelectorAll('details').forEach(d => d.open = true)"
        )
        findings = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    finally:
        page.close()
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in findings] == []
