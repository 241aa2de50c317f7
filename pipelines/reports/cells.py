"""A value of DuckDB's as text: for JSON, and in full for csv, Markdown and a terminal."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sources.shared.values import MAX_DEPTH


def json_value(value: Any, kind: str) -> Any:
    """A value that JSON has; `kind` is the column's type in DuckDB."""
    if isinstance(value, str) and kind == "JSON":
        return _nested(value)
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {str(key): json_value(item, "") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item, "") for item in value]
    if value is None or isinstance(value, bool | int | str | float):
        return _finite(value)
    return str(value)  # dates are ISO 8601; rarer types are as DuckDB writes them


def _nested(text: str) -> Any:
    """The value of JSON text; the text itself if it is nested too deeply for Python."""
    try:
        value = _finite(json.loads(text))
        if text.count("[") + text.count("{") > MAX_DEPTH:
            json.dumps(value, indent=2)
    except RecursionError:
        return text
    return value


def _finite(value: Any) -> Any:
    if is_beyond(value):
        return None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def _instant(value: datetime) -> str:
    """ISO 8601; an instant ends in Z, a time without a zone does not."""
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain(value: Any, kind: str) -> str:
    """One cell of csv or Markdown, in full; NULL and numbers that are not finite are empty."""
    if value is None or is_beyond(value):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(json_value(value, kind), ensure_ascii=False)
    if isinstance(value, datetime):
        return _instant(value)
    return str(value)


def is_beyond(value: Any) -> bool:
    """Whether it is NaN, or infinite, as the mean of absurdly large numbers is."""
    return isinstance(value, float) and not math.isfinite(value)


def is_number(kind: str) -> bool:
    """Whether a type of DuckDB's is one of numbers."""
    number = r"U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL\(.*\)|BIGNUM"
    return re.fullmatch(number, kind) is not None
