"""The page's template, and its filters for numbers, times and addresses."""

from __future__ import annotations

import math
import re
import shlex
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from pipelines.output import printable

NOTHING = "–"  # noqa: RUF001 - a dash, not a minus


def render(sections: dict[str, Any], *, file: str, created_at: datetime, version: str) -> str:
    """The page as HTML text.

    Args:
        sections: what `content` returned.
        file: the page's file name, for the command that creates it again.
    """
    return _template().render(sections, file=file, created_at=created_at, version=version)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    return environment.get_template("page.html.j2")


def _finalize(value: Any) -> Any:
    """Make invisible characters and changes of writing direction visible; None becomes a dash."""
    if value is None:
        return NOTHING
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def number(value: Any, digits: int = 1) -> str:
    """1,234 or 85.5: integers whole, fractions rounded."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if abs(value) >= 1e12:
        return f"{value:.3g}"
    exact = isinstance(value, int) or (isinstance(value, Decimal) and value == int(value))
    return f"{value:,.{0 if exact else digits}f}".replace("-", "\N{MINUS SIGN}")


def credits(value: Any) -> str:
    """A number of credits, without decimals if it is whole."""
    whole = value is not None and math.isfinite(value) and value == int(value)
    return number(int(value) if whole else value)


def signed(value: Any) -> str:
    """A number with its sign: +1.5, -2."""
    text = number(value)
    return f"+{text}" if text[0].isdigit() and value > 0 else text


def percent(value: Any) -> str:
    """0.923 as 92%. Only 1 is shown as 100%, and only 0 as 0%."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if round(100 * value) in {0, 100} and value not in {0, 1}:
        return f"{math.floor(1000 * value) / 10}%"
    return f"{round(100 * value)}%"


def ratio(part: Any, whole: Any) -> str:
    """A part of a whole in percent; a dash if the whole is 0."""
    return percent(part / whole) if whole else NOTHING


def clock(seconds: Any) -> str:
    """A position in an episode, in seconds, to the whole second: 9:42, 1:23:45."""
    if seconds is None or not math.isfinite(seconds) or abs(seconds) >= 1e6:
        return number(seconds)
    minutes, second = divmod(round(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    minute = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return ("\N{MINUS SIGN}" if seconds < 0 else "") + f"{minute}:{second:02d}"


def hours(value: Any) -> str:
    """A duration, in hours: 25 min, 5 h, 3 days."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if abs(value) < 1:
        return f"{number(round(value * 60))} min"
    if abs(value) < 48:
        return f"{number(value)} h"
    return f"{number(round(value / 24))} days"


def day(value: date | datetime | None) -> str:
    """22 Nov 2026, in UTC."""
    if value is None:
        return NOTHING
    at = value.astimezone(UTC) if isinstance(value, datetime) else value
    return f"{at.day} {at:%b %Y}"


def instant(value: datetime | None) -> str | Markup:
    """22 Nov 2026, 04:39, in UTC."""
    if value is None:
        return NOTHING
    at = value.astimezone(UTC)
    return Markup('<time datetime="{}">{} {}, {}</time>').format(
        f"{at:%Y-%m-%dT%H:%M:%SZ}", at.day, f"{at:%b %Y}", f"{at:%H:%M}"
    )


def words(count: Any, singular: str) -> str:
    """1 clip, 2 clips."""
    return f"{number(count)} {singular if count == 1 else singular + 's'}"


def address(value: Any) -> str | None:
    """The text if it is an http(s) address; None otherwise."""
    visible = r"(?i)https?://[!-~\u00a1-\ud7ff\uf900-\uffef]+"
    if not isinstance(value, str) or not re.fullmatch(visible, value):
        return None
    try:
        return value if urlsplit(value).hostname else None
    except ValueError:
        return None


def shown(value: Any, format: str) -> Any:
    """A table's cell in one of the formats of the macro `grid_table`."""
    return _FORMATS[format](value)


_FORMATS: dict[str, Any] = {
    "number": number,
    "precise": lambda value: number(value, 2),
    "credits": credits,
    "signed": signed,
    "percent": percent,
    "clock": clock,
    "hours": hours,
    "day": day,
    "instant": instant,
    "yes": lambda value: NOTHING if value is None else "yes" if value else "no",
}
FILTERS: dict[str, Any] = {
    "shown": shown,
    "number": number,
    "credits": credits,
    "signed": signed,
    "percent": percent,
    "ratio": ratio,
    "clock": clock,
    "hours": hours,
    "day": day,
    "instant": instant,
    "words": words,
    "address": address,
    "quoted": shlex.quote,
}
