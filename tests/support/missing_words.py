"""What no text for a person may have: invisible characters, words such as NaN, '1 clips'."""

from __future__ import annotations

import re

from tests.support.clipmart import Clipmart

# Whatever steers a terminal, turns the writing direction or can't be seen: the C0 and C1 controls
# but the line break, direction marks, embeddings and isolates, joiners, separators, tags.
UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\U000e0000-\U000e007f]"
)
MISSING = re.compile(r"(?<![\w/.-])(?:nan|NaN|None|undefined|inf|Infinity|Undefined)(?![\w-])")

# 1 episodes; a header such as "clips 80+" follows no number.
PLURAL = re.compile(
    r"(?<![\w.,:/-])1 (?:new )?(?:clips|episodes|jobs|campaigns|videos|requests|rows|records|ids"
    r"|events|shows|columns|values|days|weeks|submissions|credits|balances)\b"
)


def problems(world: Clipmart, text: str) -> list[str]:
    """Invisible characters, words for what is missing, and one of something in the plural."""
    bad = [f"U+{ord(match[0]):04X}" for match in UNSEEN.finditer(text)]
    if "words_that_look_missing" not in str(world.folder):
        bad += [text[max(m.start() - 40, 0) : m.end() + 20] for m in MISSING.finditer(text)]
    return bad + [text[max(m.start() - 40, 0) : m.end() + 20] for m in PLURAL.finditer(text)]
