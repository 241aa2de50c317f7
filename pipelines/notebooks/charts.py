"""How a notebook's charts look: Altair, of the extra `notebooks`."""

from __future__ import annotations

from importlib.util import find_spec
from types import ModuleType
from typing import Any

from sources.shared.errors import FixConfiguration

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#767676"

_UNSEEN = [*range(9), 11, 12, *range(14, 32), *range(127, 160), 0x2028, 0x2029, 0xFFFE, 0xFFFF]
_REPLACED = dict.fromkeys(_UNSEEN, "\N{REPLACEMENT CHARACTER}")


def charts() -> ModuleType:
    """Altair, set up so that its charts are pictures, readable on light and dark pages.

    Raises:
        FixConfiguration: the extra `notebooks` is not installed.
    """
    if find_spec("altair") is None or find_spec("vl_convert") is None:
        raise FixConfiguration(
            "Charts need the extra `notebooks`: pip install 'clipmart[notebooks]'. Then restart "
            "the kernel and run the page again."
        )
    import altair as alt

    alt.renderers.enable("svg")  # saved in the page, seen without network or script
    draw = alt.renderers.get()
    if draw is None:
        raise FixConfiguration("This version of Altair draws no SVG. Install Altair 5.5 or later.")
    alt.renderers.register("drawable", lambda chart, **options: draw(_drawable(chart), **options))
    alt.renderers.enable("drawable")
    alt.theme.register("plain", enable=True)(_plain)
    return alt


def _drawable(part: Any) -> Any:
    """Replace control characters: one in a name would crash the drawing program and the kernel."""
    if isinstance(part, str):
        return part.translate(_REPLACED)
    if isinstance(part, dict):
        return {name: _drawable(value) for name, value in part.items()}
    return [_drawable(item) for item in part] if isinstance(part, list) else part


def _plain() -> Any:
    """White, with wide margins, in any font."""
    grey = {"labelColor": "#333", "titleColor": "#333", "labelFontSize": 12, "titleFontSize": 12}
    axis = {**grey, "titleFontWeight": "normal"}
    return {
        "config": {
            "background": "white",
            "font": "Arial, Helvetica, Liberation Sans, sans-serif",
            "padding": {"left": 30, "right": 40, "top": 12, "bottom": 12},
            "view": {"stroke": None, "continuousWidth": 520, "discreteWidth": 520},
            "title": {"anchor": "start", "fontSize": 15, "offset": 12},
            "axis": {**axis, "gridColor": "#e4e4e4", "labelLimit": 220},
            "axisQuantitative": {"tickCount": 8},
            "legend": {**axis, "orient": "top", "columnPadding": 24},
        }
    }
