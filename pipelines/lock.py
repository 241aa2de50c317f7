"""One sync at a time: a lock that the kernel gives back when its process dies."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sources.shared.errors import TryAgainLater

from .ledger import make_private, unusable


class AnotherSync(TryAgainLater):
    """Another process holds the lock."""


@contextmanager
def sync_lock(path: Path, now: datetime) -> Iterator[None]:
    """Hold the lock.

    Raises:
        AnotherSync: another process holds it; the message names it and since when.
        FixConfiguration: the folder cannot be written.
    """
    try:
        make_private(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unusable(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AnotherSync(
                f"Another sync runs{_holder(path)}. This one changed nothing and ends; what is "
                "due stays due. Wait for the other, or run `clipmart status` to see how far it is."
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"pid": os.getpid(), "since": now.isoformat()}).encode(), 0)
        yield
    finally:
        os.close(handle)


def holder(path: Path) -> tuple[int, str] | None:
    """Process id and start of the sync that holds the lock; None where it is free."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        told = _told(path)
        return (int(str(told["pid"])), str(told["since"])) if told else (0, "")
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    told = _told(path)
    return f": process {told['pid']}, since {told['since']}" if told else ""


def _told(path: Path) -> dict[str, object]:
    try:
        told = json.loads(path.read_bytes() or b"{}")
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and {"pid", "since"} <= told.keys() else {}
