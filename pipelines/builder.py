"""A build in a process of its own, which gets ready on another core while a sync still fetches.

It imports SQLMesh, opens the project on the new file and waits for the word. It ends when its
parent does, however that ends, and leaves no more than scrap that the next build removes.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from sources.shared.errors import ClipmartError

from .build import build
from .settings import Settings

_ROOT = Path(__file__).resolve().parent.parent


class Builder:
    """Builds a warehouse file from what is landed, as `build.build` does.

    Where the process cannot be started, or dies, the build takes place here.
    """

    def __init__(self, settings: Settings) -> None:
        self.target = settings.build_dir / "warehouse.duckdb"
        self._landing = settings.landing
        self._work_dir = settings.build_dir
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Let the process get ready; needless, and left, where SQLMesh is imported here already."""
        if self._process is not None or "sqlmesh" in sys.modules:
            return
        paths = map(str, (self._landing, self.target, self._work_dir))
        with suppress(OSError):
            self._process = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-m", __name__, *paths],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is the parent's to answer
            )

    def build(self) -> None:
        """Nobody may hold the landing file open to write. Raises as `build.build`."""
        if not self._built_apart():
            build(self._landing, self.target, work_dir=self._work_dir)

    def close(self) -> None:
        """End the process, if it is there; a sync that publishes nothing has no use for it."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                process.kill()

    def _built_apart(self) -> bool:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return False
        try:
            process.stdin.write(b"\n")
            process.stdin.flush()
            outcome = pickle.load(process.stdout)  # noqa: S301 - our own child's
        except (OSError, EOFError, pickle.UnpicklingError):
            return False
        finally:
            with suppress(OSError):  # a broken pipe breaks again when it is closed
                self.close()
        if isinstance(outcome, Exception):
            raise outcome
        return True


def main(landing: str, target: str, work_dir: str) -> None:
    """Get ready, build when a line comes on stdin, tell the error (or None) on stdout."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to a whole service: the parent answers it
    with os.fdopen(os.dup(1), "wb") as told:
        os.dup2(2, 1)
        word: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=_listen, args=(sys.stdin.buffer, word), daemon=True).start()
        outcome: Exception | None = None
        try:
            build(Path(landing), Path(target), work_dir=Path(work_dir), ready=word.get)
        except (ClipmartError, OSError) as error:
            outcome = error
        pickle.dump(outcome, told)


def _listen(parent: IO[bytes], word: SimpleQueue[None]) -> None:
    if parent.readline():
        word.put(None)
        parent.read()
    os._exit(1)  # the parent is gone


if __name__ == "__main__":
    main(*sys.argv[1:])
