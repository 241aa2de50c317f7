"""The format of what is stored: which release of clipmart may write it.

A store that a newer release has changed is refused before anything is written: this one would
not know what its tables and columns mean.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from pipelines.settings import Address
from sources.shared.errors import FixConfiguration

FORMAT = 200
"""The release that introduced this format: 0.2.0 is 200, 1.2.3 is 10203. A store without a number
is older than 0.1.0. The ledger and the landing store are each marked with it."""


def refuse_newer(place: Path | Address, number: int) -> None:
    """Refuse a store whose format is newer than this version's.

    Raises:
        FixConfiguration: the message names the release to install.
    """
    if number > FORMAT:
        release = f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
        raise FixConfiguration(
            f"{place} was written by clipmart {release} or later; this is clipmart "
            f"{metadata.version('clipmart')}, which cannot read it. Nothing was changed. Install "
            f"that version: `pip install 'clipmart>={release}'`, or restore an earlier backup "
            "(docs/upgrade.md)."
        )
