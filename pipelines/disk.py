"""A full disk: told apart from other failures, since only its owner can make room."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from sources.shared.errors import FixConfiguration

_WORDS = ("No space left on device", "disk is full", "Disk quota exceeded")
_NUMBERS = (errno.ENOSPC, errno.EDQUOT)

_LITTLE = 1024 * 1024


class DiskFull(FixConfiguration):
    """There is no room for what had to be written."""


def is_full(error: BaseException, folder: Path | None = None) -> bool:
    """Whether an error, or one that led to it, comes of a full disk.

    DuckDB and dlt put the system's words into messages of their own.

    Args:
        folder: where it happened; full too if nothing can be written there, since SQLite reports
            some failures to make a file larger like any other.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _NUMBERS:
            return True
        if any(words in str(cause) for words in _WORDS):
            return True
        cause = cause.__cause__ or cause.__context__
    try:
        return folder is not None and shutil.disk_usage(folder).free < _LITTLE
    except OSError:
        return False


def disk_full(file: Path | str) -> DiskFull:
    return DiskFull(
        f"The disk is full: {file} could not be written. What was published before is unchanged, "
        "and nothing that landed is lost. Free some space on that disk (`df -h` shows how much is "
        "left; CLIPMART_KEEP_PUBLISHED=0 saves no earlier published files), then run the command "
        "again."
    )
