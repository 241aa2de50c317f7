"""Values: how JSON becomes the value of a column, a key or an instant."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Literal

DataType = Literal["text", "bigint", "double", "bool", "timestamp", "json"]

MAX_DEPTH = 100
"""Deepest nesting of lists and objects in an undocumented field. Python's own limit of about 1000
depends on how deep the calls are, so without this a landed value could not always be read again."""

MAX_NUMBER = 1e15
"""Documented numbers must be below it: no score, length, count or balance comes near, and sums of
them stay exact to the unit."""


class BadRecord(Exception):
    """A record that cannot become a row; the message is its reason in `rejected_records`."""


def digest(*parts: Any) -> str:
    """A key from its parts: SHA-256 of their JSON, so that no two lists of parts collide."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def instant(value: str) -> datetime:
    """An ISO 8601 instant in UTC; one without an offset is UTC.

    Raises:
        ValueError: the text is not an instant.
    """
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(value) from error


def converted(name: str, kind: DataType, value: Any) -> Any:
    """A documented field's value in its column's type; None stays None.

    Raises:
        BadRecord: the value has another type, or is too large for it.
    """
    if value is None:
        return None
    try:
        if kind == "text" and isinstance(value, str):
            value.encode()
            return value
        if kind == "bigint" and isinstance(value, int | float) and not isinstance(value, bool):
            if value == int(value) and abs(value) < MAX_NUMBER:
                return int(value)
        elif kind == "double" and isinstance(value, int | float) and not isinstance(value, bool):
            if abs(number := _finite(value)) < MAX_NUMBER:
                return number
        elif kind == "timestamp" and isinstance(value, str):
            return instant(value)
        elif kind == "bool" and isinstance(value, bool):
            return value
        elif kind == "json" and isinstance(value, list | dict):
            return json_text(value)
    except (ValueError, OverflowError):
        pass
    raise BadRecord(f"type: {name} is not {_DESCRIPTIONS[kind]}")


_DESCRIPTIONS: dict[DataType, str] = {
    "text": "text",
    "bigint": "a whole number",
    "double": "a number",
    "timestamp": "an ISO 8601 instant",
    "bool": "true or false",
    "json": "a list or an object",
}


def undocumented_type(value: Any) -> DataType:
    """The column type for an undocumented field whose first value is this; never a timestamp."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "double"
    return "text" if isinstance(value, str) else "json"


def undocumented_value(value: Any, kind: DataType) -> Any:
    """An undocumented field's value for a column of `undocumented_type`.

    Raises:
        ValueError: it is not finite, not encodable as UTF-8 or nested too deeply.
        OverflowError: it is too large for a double.
    """
    if kind == "double":
        return _finite(value)
    if kind == "json":
        return json_text(value)
    if kind == "text":
        value.encode()
    return value


def _finite(value: float) -> float:
    number = float(value)
    if number - number != 0:
        raise ValueError("not finite")
    return number


def json_text(value: Any, depth: int = MAX_DEPTH) -> str:
    """JSON text that every reader accepts: half a surrogate pair becomes a question mark.

    Raises:
        ValueError: the value is nested more than `depth` levels deep.
    """
    try:
        text = encodable(json.dumps(value, ensure_ascii=False))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if text.count("[") + text.count("{") > depth and _is_deeper(value, depth):
        raise ValueError("nested too deeply")
    return text


def _is_deeper(value: Any, depth: int) -> bool:
    inside = [value]
    for _ in range(depth):
        inside = [
            part
            for each in inside
            for part in (each.values() if isinstance(each, dict) else each)
            if isinstance(part, list | dict)
        ]
    return bool(inside)


def encodable(text: str) -> str:
    """The text in valid UTF-8: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
