"""One sync at a time: a lock that the kernel releases when its process dies."""

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

from .ledger import ledger_unusable_error, make_private


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
        raise ledger_unusable_error(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            facts = _read_facts(path)
            named = f": process {facts['pid']}, since {facts['since']}" if facts else ""
            raise AnotherSync(
                f"Another sync runs{named}, and holds {path}. This one changed nothing and ends; "
                "what is due stays due. Wait for the other, or run `clipmart status` to see how "
                "far it is."
            ) from error
        _write_facts(handle, now)
        yield
    finally:
        os.close(handle)


@contextmanager
def receiving(path: Path, address: tuple[str, int], now: datetime) -> Iterator[None]:
    """Hold the receiver's lock while it listens; its file remains only if it ends by itself.

    A receiver that cannot take it, because another one has it or the disk is full, listens
    without.
    """
    handle, locked = -1, False
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_facts(handle, now, host=address[0], port=address[1])
        locked = True
    stopped = False
    try:
        yield
        stopped = True
    except KeyboardInterrupt:
        stopped = True
        raise
    finally:
        if handle >= 0:
            if stopped and locked:
                path.unlink(missing_ok=True)
            os.close(handle)


def receiver_facts(path: Path) -> dict[str, Any] | None:
    """pid, since, host and port of the receiver, and whether it is alive.

    None if no receiver was started, or if the last one was stopped; not if it ended by itself or
    with the machine.
    """
    facts = _read_facts(path)
    return {**facts, "alive": lock_holder(path) is not None} if "port" in facts else None


def lock_holder(path: Path) -> tuple[int, str] | None:
    """Process id and start of the process that holds the lock; None if it is free.

    (0, "") if it has taken the lock and not written its facts yet.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        facts = _read_facts(path)
        return (int(facts["pid"]), str(facts["since"])) if facts else (0, "")
    finally:
        os.close(handle)


def _write_facts(handle: int, now: datetime, **facts: Any) -> None:
    text = json.dumps({"pid": os.getpid(), "since": now.isoformat(), **facts})
    os.ftruncate(handle, 0)
    os.pwrite(handle, text.encode(), 0)


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_bytes() or b"{}")
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) and {"pid", "since"} <= facts.keys() else {}
