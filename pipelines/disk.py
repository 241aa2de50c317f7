"""Whether the disk is full: said only where it is so."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

FULL_BYTES = 1 << 20
"""With less free than this a disk is full: DuckDB grows its files by 256 KiB."""


def is_full(error: BaseException, folder: Path) -> bool:
    """Whether an error, or one that led to it, comes of a full disk, or the folder's disk is."""
    for cause in chain(error):
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(cause) or "disk is full" in str(cause):
            return True
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what led to it, and so on down to its root."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
