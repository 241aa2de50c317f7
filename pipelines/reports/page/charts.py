"""Positions of a chart's marks, in percent of its plot: the template draws them as SVG.

In percent, a chart follows the width of the screen while its text stays the same size. Its colours
are the page's, light or dark. None of this contains text from an API.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

Point = tuple[float, float]
Label = tuple[float, str, str]
"""(position in percent, text, text-anchor)"""
LETTER = 2.3  # percent of a plot on a phone, the narrowest one
ABSURD = 1e15  # no scale goes as far: beyond it, differences overflow
_UNITS = ((1e12, 1e12, "tn"), (1e9, 1e9, "bn"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))
"""(from, unit, its sign)"""
_DAYS_BETWEEN_LABELS = (
    *(1, 2, 7, 14, 28, 56, 91, 182, 364, 728, 1456, 3640, 7280, 14560),
    10**6,
)


@dataclass(frozen=True)
class Scale:
    """Values to percent of the plot; a value beyond its ends, or NaN, is at its edge."""

    low: float
    high: float
    down: bool = False
    """Whether larger values are further up, as on a vertical scale."""

    def __call__(self, value: float) -> float:
        """The position of a value, in percent."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        share = min(max(0.0, share), 1.0)
        return round(100 * (1 - share if self.down else share), 2)


@dataclass(frozen=True)
class Axis:
    """A scale with its labels."""

    scale: Scale
    ticks: list[Label]


def number_axis(values: Iterable[Any], *, down: bool = True, zero: bool = False) -> Axis:
    """An axis of about four round numbers around the values; with `zero`, 0 is one of them."""
    finite = [float(v) for v in values if v is not None and abs(v) < ABSURD]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:  # scores are seldom below 0, so neither is the axis of a constant
        low, high = (0.0, 1.0) if zero else (max(low - 5, min(low, 0.0)), high + 5)
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10, 20) if (high - low) / (step * factor) <= 4.5)
    first, last = math.floor(low / step), math.ceil(high / step)
    scale = Scale(first * step, last * step, down)
    ticks = [n * step for n in range(first, last + 1)]
    return Axis(scale, [(scale(tick), compact(tick), anchor(scale(tick))) for tick in ticks])


def compact(value: float) -> str:
    """0.5, 2,500 or 12.5k: a number that fits next to an axis."""
    unit, sign = next(((u, sign) for least, u, sign in _UNITS if abs(value) >= least), (1.0, ""))
    return f"{value / unit:,.10g}{sign}".replace("-", "\N{MINUS SIGN}")


def anchor(at: float, width: float = 0.0) -> str:
    """Which end of a label is at its position, so that the label stays inside the plot.

    Args:
        width: of the label, in percent.
    """
    edge = max(width / 2, 4)
    return "start" if at < edge else "end" if at > 100 - edge else "middle"


def spaced(labels: Iterable[tuple[float, str]], taken: Iterable[Label] = ()) -> list[Label]:
    """The labels that have space in a row, also on a phone; the first ones go before the others.

    Args:
        taken: labels that are in the row already.
    """

    def extent(label: Label) -> tuple[float, float]:
        at, text, end = label
        width = LETTER * len(text)
        left = at - {"start": 0.0, "middle": width / 2, "end": width}[end]
        return left - LETTER / 2, left + width + LETTER / 2

    used, placed = list(map(extent, taken)), []
    for at, text in labels:
        label = (at, text, anchor(at, LETTER * len(text)))
        left, right = extent(label)
        if all(right <= start or end <= left for start, end in used):
            placed.append(label)
            used.append((left, right))
    return placed


def day_axis(first: date, last: date, *, margin: float = 0.0) -> Axis:
    """An axis of at most five days at equal distances, from the first on; three for long histories.

    Args:
        margin: days of space before the first and after the last.
    """
    days = max((last - first).days, 1)
    scale = Scale(first.toordinal() - margin, first.toordinal() + days + margin)
    years = days > 300
    labels = 3 if years else 5
    step = next(step for step in _DAYS_BETWEEN_LABELS if days / step < labels)
    labelled = [first + timedelta(days=n) for n in range(0, days + 1, step)]
    return Axis(
        scale,
        spaced((scale(day.toordinal()), day_label(day, years=years)) for day in labelled),
    )


def day_label(day: date, *, years: bool = False) -> str:
    """3 Apr, or Apr 2026 with `years`."""
    return f"{day:%b %Y}" if years else f"{day.day} {day:%b}"


def place(x: Axis, y: Axis, rows: Iterable[tuple[date, Any]]) -> list[Point]:
    """The points of a line; days without a value are left out."""
    return [
        (x.scale(day.toordinal()), y.scale(value))
        for day, value in rows
        if value is not None and math.isfinite(value)
    ]


def path(points: Sequence[Point], *, closed: bool = False) -> str:
    """SVG path data in a plot of 100 by 100."""
    drawn = "L".join(f"{x:g} {y:g}" for x, y in points)
    return f"M{drawn}{'Z' if closed else ''}" if drawn else ""


def steps(points: Sequence[Point]) -> str:
    """A value that stays as it is until it changes."""
    return path(points[:1]) + "".join(f"H{x:g}V{y:g}" for x, y in points[1:])


def band(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    """The area between two lines."""
    return path([*upper, *reversed(lower)], closed=True)


def shares(parts: Sequence[float], whole: float) -> list[Point]:
    """(start, width) of the parts of one bar, in percent."""
    placed, start = [], 0.0
    for part in parts:
        width = 100 * part / whole if whole else 0.0
        placed.append((round(start, 2), round(width, 2)))
        start += width
    return placed
