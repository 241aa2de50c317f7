"""The page as a person sees it: in a real browser, light and dark, on a phone and a desktop."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from pipelines.settings import Settings
from tests.support.clipmart import command_line
from tests.support.expected_reports import FAILED, FINISHED, expected_reports
from tests.support.page_data import BAD_LINKS, GOOD_LINKS, NOW, TEXTS, Rows
from tests.support.programs import needs

pytestmark = pytest.mark.xdist_group("page")  # the stores are created once

NOTHING = "–"  # noqa: RUF001 - a dash, not a minus
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of the module, not the session: its event loop must not meet other tests."""
    chromium = needs("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(month: Settings, empty: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with month.html and empty.html."""
    folder = tmp_path_factory.mktemp("pages")
    for name, store in (("month", month), ("empty", empty)):
        done = command_line(store, folder)("report", "--html", f"{name}.html")
        assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="module")
def expected(landed: Rows) -> dict[str, list[dict[str, Any]]]:
    """The reports computed a second time, in Python and pandas, from what landed."""
    return expected_reports(landed, NOW)


@contextmanager
def opened(
    browser: Browser, file: Path, *, width: int = 1280, scheme: Any = "light", **context: Any
) -> Iterator[tuple[Page, list[str]]]:
    """The page, with its console messages and requests."""
    noise: list[str] = []
    inside = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, **context
    )
    page = inside.new_page()
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda request: noise.append(request.url))
    page.goto(file.as_uri())
    assert noise.pop(0) == file.as_uri()
    # The icon is in the page too: an empty one, so that none is requested.
    noise[:] = [url for url in noise if url != "data:,"]
    try:
        yield page, noise
    finally:
        inside.close()


def broken_rules(page: Page) -> list[dict[str, Any]]:
    """What axe finds. Rows of long tables are alike: five of each save seconds."""
    page.evaluate("document.querySelectorAll('tbody tr:nth-child(n+6)').forEach(r => r.remove())")
    result = Axe().run(page, options={"resultTypes": ["violations"]}).response
    assert len(result["passes"]) > 15
    violations: list[dict[str, Any]] = result["violations"]
    return violations


@pytest.fixture(scope="module")
def page(browser: Browser, pages: Path) -> Iterator[Page]:
    with opened(browser, pages / "month.html") as (page, _):
        yield page


LOOKS = [
    pytest.param("month", 390, "light", marks=pytest.mark.soak),
    ("month", 390, "dark"),
    ("month", 1280, "light"),
    pytest.param("month", 1280, "dark", marks=pytest.mark.soak),
    ("empty", 390, "dark"),
    pytest.param("empty", 1280, "light", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("name", "width", "scheme"), LOOKS)
def test_it_is_quiet_fits_and_is_accessible(
    browser: Browser, pages: Path, name: str, width: int, scheme: str
) -> None:
    """No console message, no request, no sideways scrolling, no finding of axe."""
    with opened(browser, pages / f"{name}.html", width=width, scheme=scheme) as (page, noise):
        for details in (False, True):
            page.evaluate(
                "open => document.querySelectorAll('details').forEach(d => d.open = open)", details
            )
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide == width, f"{wide} px wide, details open: {details}"
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in broken_rules(page)] == []
        assert noise == []


def test_large_numbers_fit_a_phone(browser: Browser, pages: Path) -> None:
    """Even with millions of everything."""
    with opened(browser, pages / "month.html", width=390) as (page, _):
        page.evaluate(
            "document.querySelectorAll('.big, .figures .aside, .n b, .n .aside, .spread-median b')"
            ".forEach(e => e.textContent = e.textContent.replace(/[0-9.,]+/g, '1,234,567'))"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_axe_would_find_something(browser: Browser, pages: Path) -> None:
    """The test above can fail."""
    with opened(browser, pages / "empty.html") as (page, _):
        page.add_style_tag(content=":root { --soft: #ccc }")
        assert [rule["id"] for rule in broken_rules(page)] == ["color-contrast"]


def test_light_and_dark_differ(browser: Browser, pages: Path) -> None:
    """Background, text and charts follow the reader's scheme; printing is always on white."""
    paints: dict[str, list[str]] = {}
    look = """["background-color body", "color h1", "stroke .line", "fill .box"].map(what => {
        const [name, of] = what.split(" ");
        return getComputedStyle(document.querySelector(of)).getPropertyValue(name) })"""
    for scheme in ("light", "dark"):
        with opened(browser, pages / "month.html", scheme=scheme) as (page, _):
            paints[scheme] = page.evaluate(look)
            page.emulate_media(media="print")
            paints[f"{scheme}, printed"] = page.evaluate(look)
    assert all(a != b for a, b in zip(paints["light"], paints["dark"], strict=True))
    assert paints["light, printed"] == paints["dark, printed"]
    assert paints["dark, printed"][0] == "rgb(255, 255, 255)"


def test_it_prints(browser: Browser, pages: Path) -> None:
    """Without the navigation and the closed tables, on a few pages; an open one has its title."""
    with opened(browser, pages / "month.html") as (page, _):
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        title = page.locator("summary", has_text="Moment types as a table")
        assert not title.is_visible()
        title.evaluate("summary => summary.parentElement.open = true")
        assert title.is_visible()
        pdf = page.pdf(format="A4")
        assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 9


def test_the_keyboard_reaches_all_of_it(browser: Browser, pages: Path) -> None:
    """Tab first reaches the link past the header; Enter opens a table, which can be scrolled."""
    with opened(browser, pages / "month.html", width=390) as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        summary = page.locator("summary", has_text="Moment types as a table")
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator("[data-report=moment_types]").is_visible()
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused == "Moment types as a table"


def test_it_needs_no_script(browser: Browser, pages: Path) -> None:
    """A mail program without scripts shows the same."""
    shots = []
    for allowed in (True, False):
        with opened(browser, pages / "month.html", java_script_enabled=allowed) as (page, _):
            shots.append(page.screenshot())
    assert shots[0] == shots[1]


# --- Texts ---


def test_hostile_texts_stay_text(page: Page) -> None:
    """Each can be read, letter by letter, and creates no element or attribute."""
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.locator("script, img, iframe, object, embed, form, base").count() == 0
    handlers = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
    assert not [name for name in page.evaluate(handlers) if name.startswith("on")]
    text = page.locator("body").evaluate("body => body.textContent")
    for hostile in TEXTS:
        assert hostile in text
    assert "\ufffdgnp.exe" in text


def test_nothing_is_requested_even_if_escaping_fails(browser: Browser, pages: Path) -> None:
    """The page's policy allows nothing: no script of its own, no picture from elsewhere."""
    page_text = (pages / "month.html").read_text()
    broken = pages / "broken.html"
    broken.write_text(
        page_text.replace("<main", "<script>hacked=1</script><img src='other.png'><main", 1)
    )
    with opened(browser, broken) as (page, noise):
        assert page.evaluate("typeof hacked") == "undefined"
        assert len([line for line in noise if "Content Security Policy" in line]) == 2


def test_only_web_addresses_become_links(page: Page) -> None:
    """Only http and https; they do not reveal the page that they are on."""
    links = page.evaluate(
        "[...document.links].filter(a => !a.getAttribute('href').startsWith('#'))"
        ".map(a => [a.getAttribute('href'), a.rel, a.protocol])"
    )
    shown = page.locator(".clips li").count()
    assert shown == 10 < len(GOOD_LINKS + BAD_LINKS)
    assert {href for href, _, _ in links} == set(GOOD_LINKS)
    assert {(rel, kind) for _, rel, kind in links} <= {
        ("noopener noreferrer", "http:"),
        ("noopener noreferrer", "https:"),
    }
    assert page.locator("meta[name=referrer]").get_attribute("content") == "no-referrer"


# --- Numbers ---

REPORTS = {
    "moment_types": {
        "Clips": "clips",
        "Share": "share_of_clips",
        "Episodes": "jobs",
        "Mean": "mean_score",
        "Lift": "lift",
        "Median": "median_score",
        "90th": "p90_score",
        "Best": "best_score",
        "Seconds": "mean_duration_seconds",
    },
    "shareability_weekly": {
        "Week from": "week",
        "Episodes": "jobs",
        "Clips": "clips",
        "Mean": "mean_score",
        "Median": "median_score",
        "Best": "best_score",
        "80+": "clips_80_plus",
    },
    "shareability": {
        "Created": "created_at",
        "Clips": "clips",
        "Mean": "mean_score",
        "Best": "best_score",
        "80+": "clips_80_plus",
    },
    "top_clips": {"Rank": "rank", "Score": "score", "Job": "job_id"},
    "video_readiness_by_platform": {
        "Videos": "videos",
        "Ready": "ready",
        "Share": "readiness",
        "Pending": "pending",
        "Failed": "failed",
        "Published": "published",
    },
    "video_readiness": {
        "Created": "created_at",
        "Videos": "videos",
        "Ready": "ready",
        "Pending": "pending",
        "Failed": "failed",
        "Published": "published",
        "Stuck": "stuck",
    },
    "credit_usage": {
        "Day": "day",
        "Balance": "balance_close",
        "Used": "credits_used",
        "Added": "credits_added",
        "Episodes": "jobs_submitted",
        "Clips": "clips",
        "Per episode": "credits_per_job",
        "Per clip": "credits_per_clip",
        "A day, 7-day mean": "burn_7d",
        "Days left": "days_left",
    },
    "freshness": {"Table": "table_name", "Rows": "row_count"},
}
SHARES = {"share_of_clips", "readiness"}


def table_of(page: Page, report: str) -> list[dict[str, str]]:
    """A table of the page: header to cell, as text."""
    rows: list[dict[str, str]] = page.evaluate(
        """report => {
          const table = document.querySelector(`[data-report=${report}]`);
          const heads = [...table.tHead.rows[0].cells].map(c => c.textContent);
          return [...table.tBodies[0].rows].map(r =>
            Object.fromEntries([...r.cells].map((c, i) => [heads[i], c.textContent])))
        }""",
        report,
    )
    return rows


def says(cell: str, value: Any, *, share: bool = False) -> bool:
    """Whether a cell shows a value, rounded to its number of digits."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return cell == NOTHING
    if isinstance(value, bool):
        return cell == ("yes" if value else "no")
    if isinstance(value, str):
        return cell == value
    if isinstance(value, datetime | date):
        return cell == f"{value.day} {value:%b %Y}"
    if cell == NOTHING:
        return False
    digits = cell.replace(",", "").replace("\N{MINUS SIGN}", "-").removesuffix("%")
    wanted = 100 * float(value) if share else float(value)
    places = len(digits.partition(".")[2])
    return bool(abs(float(digits) - wanted) <= 0.5 * 10**-places + 1e-9)


@pytest.mark.parametrize("report", REPORTS)
def test_tables_equal_the_reports(
    page: Page, expected: dict[str, list[dict[str, Any]]], report: str
) -> None:
    """Row by row in the report's order, up to 50, compared with the independent computation."""
    rows, wanted = table_of(page, report), expected[report]
    assert len(rows) == min(len(wanted), 50) > 2
    columns = REPORTS[report]
    text = page.locator(f"details:has([data-report={report}])").text_content() or ""
    assert (f"of {len(wanted):,} rows" in text) == (len(wanted) > 50)
    left = list(wanted)
    for row in rows:
        match = next(
            (
                w
                for w in left
                if all(says(row[h], w[c], share=c in SHARES) for h, c in columns.items())
            ),
            None,
        )
        assert match is not None, row
        left.remove(match)
    if len(wanted) > 50:  # none that was left out belongs before one that is shown
        key, up = {"top_clips": ("rank", True)}.get(report, (next(iter(columns.values())), False))
        shown = [w[key] for w in wanted if w not in left and w[key] is not None]
        out = [w[key] for w in left if w[key] is not None]
        assert max(shown) <= min(out) if up else min(shown) >= max(out)


def test_the_headline_equals_the_reports(
    page: Page, expected: dict[str, list[dict[str, Any]]], landed: Rows
) -> None:
    """Jobs, clips, campaigns, videos ready, credits and days left."""
    boxes = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.totals > div')]"
        ".map(d => [d.children[0].textContent, d.children[1].textContent]))"
    )
    campaigns, usage = expected["video_readiness"], expected["credit_usage"]
    latest = max(usage, key=lambda row: row["day"])
    wanted = {
        "Episodes": len(expected["job_turnaround"]),
        "Clips": sum(row["clips"] for row in expected["moment_types"]),
        "Campaigns": len(campaigns),
        "Videos ready": sum(row["ready"] for row in campaigns),
        "Credits left": latest["balance_close"],
        "Days left": latest["days_left"],
    }
    assert list(boxes) == list(wanted)
    for label, value in wanted.items():
        assert says(boxes[label], value), label
    assert len(landed["klipit.clips"]) == wanted["Clips"]

    runs_out = latest["day"] + timedelta(days=math.floor(latest["days_left"]))
    words = page.locator("#credits .says").inner_text()
    assert f"{runs_out.day} {runs_out:%b %Y}" in words
    known = [row for row in usage if row["credits_used"] is not None]
    per_clip = sum(row["credits_used"] for row in known) / sum(row["clips"] for row in known)
    assert f"{per_clip:.2f}" in words


def test_the_page_opens_with_what_changed(
    page: Page, expected: dict[str, list[dict[str, Any]]]
) -> None:
    """The last 7 days, each metric with the 7 days before; then what needs attention, and why."""
    metrics = {row["metric"]: row for row in expected["last_7_days"]}
    new = metrics["new_clips"]
    assert page.locator("h1").inner_text() == f"{new['value']:.0f} new clips in the last 7 days"
    fewer = new["before"] - new["value"]
    assert page.locator(".lede").inner_text() == f"{fewer:.0f} fewer than in the 7 days before."
    shown = page.locator("[aria-label='The last 7 days'] > div").all_inner_texts()
    assert len(shown) == len(metrics)
    for box, metric in zip(shown, metrics.values(), strict=True):
        _, value, compared = box.splitlines()
        assert says(value, metric["value"]), box
        if metric["change"]:
            change, before = compared.split(" from ")
            assert says(before, metric["before"]) and says(change.lstrip("+"), metric["change"]), (
                box
            )
        else:
            assert compared == "no change", box

    notes = page.locator(".notes > ul > li").all_inner_texts()
    states = [note.split()[0] for note in notes]
    assert states == ["failed"] * 3 + ["sync", "stuck", "quota", "unknown", "rejected", "ready"]
    stuck = sum(row["stuck"] for row in expected["video_readiness"])
    assert f"{stuck} campaigns and " in notes[4]
    assert "No speech" in notes[0]
    assert re.search(r"job_\d+: no reason given|: No speech", notes[0])


def test_the_spread_is_that_of_the_clips(page: Page, landed: Rows) -> None:
    """Each box is at pandas' quantiles, measured on the axis next to it."""
    ticks = page.evaluate(
        "[...document.querySelectorAll('.spread-axis text')]"
        ".map(t => [parseFloat(t.getAttribute('x')), parseFloat(t.textContent)])"
    )
    (x0, v0), (x1, v1) = ticks[0], ticks[-1]
    clips = pd.DataFrame(landed["klipit.clips"]).dropna(subset="shareability_score")
    boxes = page.evaluate(
        """[...document.querySelectorAll('.type')].map(t => [
          t.querySelector('.spread-name').textContent.trim(),
          ...PLACES.map(s => {
            const [of, name] = s.split(' ');
            return parseFloat(t.querySelector(of).getAttribute(name)) })])""".replace(
            "PLACES",
            "['.box x', '.median x1', '.box width']",
        )
    )
    scores = {
        kind.replace("_", " ") or "no type": group["shareability_score"]
        for kind, group in clips.groupby(clips["moment_type"].fillna("").str.strip())
    }
    assert {box[0] for box in boxes} == set(scores)
    for name, *places in boxes:
        places[2] += places[0]  # the box's right edge
        quantiles = scores[name].quantile([0.25, 0.5, 0.75])
        for at, wanted in zip(places, quantiles, strict=True):
            assert v0 + (at - x0) / (x1 - x0) * (v1 - v0) == pytest.approx(wanted, abs=0.1), name


def test_bars_are_as_long_as_their_numbers(page: Page, landed: Rows) -> None:
    """Measured in pixels: each video of a platform is in one of four states."""
    videos = pd.DataFrame(landed["clipus.videos"])
    videos["state"] = "pending"
    videos.loc[videos["status"].isin(FINISHED), "state"] = "ready"
    videos.loc[videos["status"].isin(FAILED), "state"] = "failed"
    videos.loc[videos["published_at"].notna(), "state"] = "published"
    bars = page.evaluate(
        """[...document.querySelectorAll('.platforms > div')].map(d => [
          d.querySelector('.name').textContent.trim(),
          d.querySelector('svg').getBoundingClientRect().width,
          Object.fromEntries([...d.querySelectorAll('rect')].map(
            r => [r.getAttribute('class'), r.getBoundingClientRect().width]))])"""
    )
    groups = {"All": videos}
    for platform, group in videos.groupby("platform", dropna=False):
        groups["no platform" if pd.isna(platform) else str(platform)] = group
    assert {name for name, _, _ in bars} == set(groups)
    for name, full, parts in bars:
        shares = groups[name]["state"].value_counts(normalize=True)
        assert parts == pytest.approx({kind: share * full for kind, share in shares.items()}, abs=1)


def test_an_unfinished_week_is_not_part_of_the_line(page: Page) -> None:
    """The week of the page's day is an open dot with its number of clips."""
    chart = page.locator("#shareability .tall")
    last = chart.locator("circle").last
    assert last.get_attribute("class") == "open dot"
    assert "27 Apr 2026, unfinished" in (last.text_content() or "")
    line = chart.locator(".line").get_attribute("d") or ""
    assert line.count("L") + 2 == chart.locator("circle").count()
    (clips,) = re.findall(r", (\d+) clips", last.text_content() or "")
    assert chart.locator(f"text=n = {clips}").count() == 1


def test_the_clips_to_post_say_where_they_are(
    page: Page, expected: dict[str, list[dict[str, Any]]]
) -> None:
    """The ten best, in order, each with why, start and end; odd times stay readable."""
    items = page.locator(".clips li").all_inner_texts()
    best = sorted(expected["to_post"], key=lambda clip: clip["rank"])[:10]
    for text, clip in zip(items, best, strict=True):
        assert text.splitlines()[0] == f"{clip['score']:.1f}"
        assert f"\n{clip['why']}. {clip['reason'] or ''}".rstrip() in text
    # 3599.96 s is an hour by the second; a negative start and an endless end are the API's own.
    assert Counter("1:00:00 to 1e+300" in text for text in items)[True] >= 4
    assert Counter("\N{MINUS SIGN}0:04 to 1:23:44" in text for text in items)[True] >= 4


def test_runs_and_rejections_are_shown(page: Page) -> None:
    """The latest run first; records that could not be loaded, by reason. They are folded."""
    assert not page.locator("[aria-label='Last runs']").is_visible()
    page.evaluate("document.querySelectorAll('#operator details').forEach(d => d.open = true)")
    rows = page.locator("[aria-label='Last runs'] tbody tr").all_inner_texts()
    assert rows[0].split()[-7:] == ["stopped;", "try", "again", "later", "11", "101", "1"]
    assert len(rows) == 8
    notes = page.locator(".notes").inner_text()
    assert "The last sync ended with exit code 75." in notes
    assert "1 record could not be loaded. Reasons: clipmart rejected" in notes
    assert "1 record could not be loaded." in page.locator("#operator").inner_text()
    (rejected,) = page.locator(
        "[aria-label='Rejected or noted, by reason'] tbody tr"
    ).all_inner_texts()
    assert TEXTS[2] in rejected
