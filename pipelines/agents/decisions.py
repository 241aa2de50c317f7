"""The entries of DECISIONS.md: a definition in bold, the reason, what would change it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pipelines.program import checkout

_PAGE = "DECISIONS.md"


@cache
def decisions() -> tuple[str, ...]:
    """One text an entry, on one line, in the page's order."""
    root = checkout()
    # The wheel carries the page in this package.
    page = (root or Path(__file__).parent).joinpath(_PAGE).read_text("utf-8")
    paragraphs = re.split(r"\n\s*\n", page)
    return tuple(" ".join(text.split()) for text in paragraphs if text.startswith("**"))
