"""The page in Chromium: no request, no error, accessible, in both widths and colours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

LOOKS = [(390, "dark"), (1280, "light")]  # axe takes seconds for each


@pytest.fixture
def opened(chromium: Browser, page: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, opened; a request, a console message or an error fails the test."""
    width: int
    scheme: Any
    width, scheme = getattr(request, "param", (1280, "light"))
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    events: list[Any] = []
    shown = context.new_page()
    shown.on("console", lambda message: events.append(message.text))
    shown.on("pageerror", lambda error: events.append(str(error)))
    shown.on("request", lambda request: events.append(request.url))
    shown.goto(page.as_uri())
    yield shown
    context.close()
    assert [each for each in events if not str(each).startswith(("file:", "data:"))] == []
    assert events.count(page.as_uri()) == 1


@pytest.mark.parametrize("opened", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
def test_axe_finds_nothing(opened: Page) -> None:
    """Neither contrast nor structure; and no line is wider than the window."""
    opened.locator("summary").first.click()
    result = Axe().run(opened)
    assert result.response["violations"] == [], result.generate_report()
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_filter_leaves_what_fits(opened: Page) -> None:
    """Every word occurs in what is left; a link to something hidden shows it again."""
    opened.get_by_role("searchbox").fill("share_of_clips")
    visible = opened.locator(".column:visible")
    assert [dt.inner_text() for dt in visible.locator("dt").all()] == ["share_of_clips"]
    assert opened.locator("output").inner_text() == "1 columns in 1 tables"

    opened.get_by_role("searchbox").fill("no such word")
    assert opened.locator("article:visible").count() == 0

    opened.evaluate("location.hash = 'klipit.clips'")
    opened.locator("[id='klipit.clips']").wait_for(state="visible")
    assert opened.locator("article:visible").count() == opened.locator("article").count()


def test_pointing_at_a_table_shows_its_whole_lineage(opened: Page) -> None:
    """The tables it is built from and those built from it, and nothing else."""
    opened.locator("svg a[data-name='staging.stg_clipus__quota_answers']").hover()
    lit = opened.locator("svg a.lit").evaluate_all("all => all.map(each => each.dataset.name)")
    assert set(lit) == {
        "clipus.submissions",
        "staging.stg_clipus__quota_answers",
        "reports.video_quota",
    }


def test_no_line_runs_behind_a_name_and_no_names_overlap(opened: Page) -> None:
    """Points along each line compared with the boxes of all names but its own two."""
    hidden = opened.evaluate("""() => {
        const boxes = [...document.querySelectorAll("svg a")].map(
            (a) => [a.dataset.name, a.querySelector("rect").getBBox()]);
        const within = (b, x, y) =>
            x > b.x + 1 && x < b.x + b.width - 1 && y > b.y + 1 && y < b.y + b.height - 1;
        const crossings = [];
        for (const path of document.querySelectorAll("svg path")) {
            const { from, to } = path.dataset;
            for (let at = 0; at < path.getTotalLength(); at += 3) {
                const { x, y } = path.getPointAtLength(at);
                for (const [name, b] of boxes)
                    if (name !== from && name !== to && within(b, x, y))
                        crossings.push([from, to, name]);
            }
        }
        for (const [one, b] of boxes) for (const [other, c] of boxes)
            if (one < other && b.x < c.x + c.width && c.x < b.x + b.width
                && b.y < c.y + c.height && c.y < b.y + b.height) crossings.push([one, other]);
        return crossings;
    }""")
    assert hidden == []


def test_without_script_everything_is_there(chromium: Browser, page: Path) -> None:
    """The search box, which needs a script, is hidden; all tables are shown."""
    context = chromium.new_context(java_script_enabled=False)
    shown = context.new_page()
    shown.goto(page.as_uri())
    assert not shown.locator("form").is_visible()
    assert shown.locator("article:visible").count() == shown.locator("article").count() > 30
    context.close()
