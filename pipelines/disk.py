"""Full disks, which only their owner can fix, distinguished from other failures."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from sources.shared.errors import FixConfiguration

FULL_BYTES = 1 << 20
"""With less free than this a disk is full: DuckDB grows its files by 256 KiB."""

_WORDS = ("No space left on device", "disk is full", "Disk quota exceeded")


class DiskFull(FixConfiguration):
    """There is no room for what had to be written."""


def is_full(error: BaseException, folder: Path | None = None) -> bool:
    """Whether a full disk caused an error.

    DuckDB and dlt repeat the system's message in their own.

    Args:
        folder: where it happened. If its disk has no room, that is the cause too: SQLite reports
            some failures to enlarge a file like any other.
    """
    for cause in chain(error):
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(words in str(cause) for words in _WORDS):
            return True
    try:
        return folder is not None and shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False


def disk_full(file: Path | str) -> DiskFull:
    """The error for a file that could not be written."""
    return DiskFull(
        f"The disk is full: {file} could not be written. What was published before is unchanged, "
        "and nothing that landed is lost. Free some space on that disk (`df -h` shows how much is "
        "left; CLIPMART_KEEP_PUBLISHED=0 saves no earlier published files), then run the command "
        "again."
    )


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its cause, and so on down to the root.

    An error that was raised again from its own consequence would be a circle; each comes once.
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__
