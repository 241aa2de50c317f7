"""One sync at a time: a lock that the kernel gives back when its process dies."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

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
                f"Another sync runs{_holder(path)}, and holds {path}. This one changed nothing and "
                "ends; what is "
                "due stays due. Wait for the other, or run `clipmart status` to see how far it is."
            ) from error
        _write(handle, {"pid": os.getpid(), "since": now.isoformat()})
        yield
    finally:
        os.close(handle)


@contextmanager
def receiving(path: Path, address: tuple[str, int], now: datetime) -> Iterator[None]:
    """Hold the receiver's lock while it listens; its file stays only if it ends by itself.

    One that cannot take it, since another receiver has it or the disk is full, listens without.
    """
    handle, mine = -1, False
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        facts = {"pid": os.getpid(), "since": now.isoformat()}
        _write(handle, {**facts, "host": address[0], "port": address[1]})
        mine = True
    ended_well = False
    try:
        yield
        ended_well = True
    except KeyboardInterrupt:
        ended_well = True
        raise
    finally:
        if handle >= 0:
            if ended_well and mine:
                path.unlink(missing_ok=True)
            os.close(handle)


def receiver(path: Path) -> dict[str, Any] | None:
    """pid, since, host and port of the receiver, and whether it is alive; None where none is due.

    One that was stopped is not due; one that ended by itself, or with the machine, is.
    """
    facts = _told(path)
    return {**facts, "alive": holder(path) is not None} if "port" in facts else None


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


def _write(handle: int, facts: dict[str, Any]) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(facts).encode(), 0)


def _holder(path: Path) -> str:
    told = _told(path)
    return f": process {told['pid']}, since {told['since']}" if told else ""


def _told(path: Path) -> dict[str, object]:
    try:
        told = json.loads(path.read_bytes() or b"{}")
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and {"pid", "since"} <= told.keys() else {}
