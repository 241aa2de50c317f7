"""Files for people: written whole or not at all, and never over clipmart's own data."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sources.shared.errors import Unusable

from .settings import Settings


def refuse_own_file(settings: Settings, path: Path) -> None:
    """Refuse to write to a file that may hold the only copy of something.

    Raises:
        Unusable: it is the published file, or below the state folder.
    """
    place = path.resolve()
    if place == settings.warehouse.resolve() or settings.state_dir.resolve() in place.parents:
        raise Unusable(
            f"{path} is where clipmart stores its own data. Nothing was written. Name another file."
        )


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that replaces `path` durably if the block ends without an error.

    Until then it has a random name in the same folder. Its permissions follow the umask.

    Raises:
        OSError: it cannot be written; an earlier file is unchanged.
    """
    draft = path.with_name(f".clipmart-{secrets.token_hex(8)}")
    try:
        # Exclusive: never opens a file or link that someone else created there.
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text, as `replacing` does."""
    with replacing(path) as file:
        file.write(text.encode())


def sync_folder(folder: Path) -> None:
    """Sync a folder's names to disk, so that a rename survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
