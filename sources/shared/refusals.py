"""What a refused request says, in words that a person can act on.

Neither API documents the exact shape of an error: text is looked for under the usual names. By its
author's page Klipit's backend is FastAPI, whose own errors are `{"detail": "…"}` and, for 422,
`{"detail": [{"loc": ["body", "source_url"], "msg": "…"}]}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .errors import ClipmartError, FixConfiguration

if TYPE_CHECKING:
    from .http import Answer, Api

MOST_CHARACTERS = 300


class Refused(ClipmartError):
    """The API will not take this request as it is."""


def refused(
    api: Api, answer: Answer, *, needed: str, advice: Mapping[int, str]
) -> Refused | FixConfiguration:
    """The error for a 4xx: what was said, that nothing came of it, what to do.

    Args:
        needed: what the request needs, in words, such as "the scope jobs:create".
        advice: status → what to do about it.
    """
    words = vendor_words(answer.body)
    told = f"{answer.status}: {words}" if words else str(answer.status)
    if answer.status == 401:
        return FixConfiguration(
            f"{api.name} refuses the key ({told}). Nothing came of the request. "
            f"Set {api.key_variable} to a valid key."
        )
    if answer.status == 403:
        return FixConfiguration(
            f"{api.name} does not allow this key's request ({told}): it needs {needed}. Nothing "
            f"came of it. Give the key in {api.key_variable} what it needs, or set another."
        )
    what_to_do = advice.get(answer.status, "Change the request accordingly and send it again.")
    if answer.status == 429:
        what_to_do = "This quota ends with the month: wait for the next one, or enlarge the plan."
    return Refused(f"{api.name} refused the request ({told}). Nothing came of it. {what_to_do}")


def is_quota(body: Any) -> bool:
    """Whether a 429 is a quota's, which no waiting within a run ends, and not the rate limit's.

    Told by its words alone. Source: "Monthly limit reached (10/10).", as seen from Clipus, whose
    reference gives 429 both meanings.
    """
    return bool(re.search(r"month|quota|(?<!rate )limit reached", vendor_words(body), re.I))


def vendor_words(body: Any) -> str:
    """The error text of an answer's body on one line, links without their queries; "" if none."""
    if isinstance(body, dict):
        for name in ("error", "message", "detail", "title"):
            value = body.get(name)
            if isinstance(value, dict):
                value = vendor_words(value)
            elif isinstance(value, list):
                value = "; ".join(filter(None, map(_message_and_place, value)))
            if isinstance(value, str) and value.strip():
                line = "".join(c if c.isprintable() else " " for c in value)
                return re.sub(r"\?[^\s?]*=\S*", "?…", " ".join(line.split()))[:MOST_CHARACTERS]
    return ""


def refusal_reason(api: Api, answer: Answer) -> str:
    """Why a GET's 4xx brought no record: the reason in `rejected_records`."""
    if answer.status == 404:
        return "not_found"
    words = without_secrets(vendor_words(answer.body), [api.key])
    return f"status: {answer.status}" + (f": {words}" if words else "")


def _message_and_place(item: Any) -> str:
    """An entry of FastAPI's `detail` list; "" where it is something else."""
    if isinstance(item, str):
        return item
    if not isinstance(item, dict) or not isinstance(item.get("msg"), str):
        return ""
    place = item.get("loc")
    if not isinstance(place, list) or not place:
        return str(item["msg"])
    return f"{'.'.join(map(str, place))}: {item['msg']}"


def without_secrets(text: str, secrets: Iterable[str | None]) -> str:
    """Text in which each secret is replaced; the longest first, since one may begin another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
