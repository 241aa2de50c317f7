"""Files for people: there whole or not at all, whatever stands in their place or beside it."""

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
    """A file that a person names may not be one that holds the only copy of something.

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
    """A new file that takes the place of `path` for good when the block ends without an error.

    Until then it has a random name in the same folder. It gets the rights that the umask gives.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    draft = path.with_name(f".clipmart-{secrets.token_hex(8)}")
    try:
        # Exclusive: a file or link that somebody else put there is never opened.
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
    """Names in it, and what was renamed, survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
