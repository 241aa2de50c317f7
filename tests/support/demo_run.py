"""One run of `clipmart demo` for the whole suite, surrounded by everything that it must not use."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

NOW = "2026-04-22T16:00:00Z"
CANARY = "CANARY7f3a"
KEYS = {
    "KLIPIT_API_KEY": f"klipit_sk_{CANARY}",
    "CLIPUS_API_KEY": f"sk_live_{CANARY}",
    "KLIPIT_WEBHOOK_SECRET": f"whsec_{CANARY}",
    "CLIPUS_WEBHOOK_TOKEN": f"token_{CANARY}",
}
ADDRESSES = ("KLIPIT_BASE_URL", "CLIPUS_BASE_URL", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True)
class DemoRun:
    """What a run printed, and where it ran."""

    folder: str
    code: int
    out: str
    err: str
    strangers: int
    """Connections to the addresses of the environment: the real APIs' and a proxy's."""

    @property
    def data_dir(self) -> Path:
        return Path(self.folder, "data", "demo")


def run_demo(folder: Path, now: str | None = NOW) -> DemoRun:
    """Run it as a process of its own, in a folder with real-looking keys in every place."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".env").write_text("".join(f"{name}={key}\n" for name, key in KEYS.items()))
    (folder / ".dlt").mkdir(exist_ok=True)
    (folder / ".dlt" / "secrets.toml").write_text(
        "".join(f"[sources.{s}]\napi_key = 'sk_{CANARY}'\n" for s in ("klipit", "clipus"))
    )
    with _trap() as trap:
        elsewhere = f"http://127.0.0.1:{trap.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "pipelines", "demo"],
            cwd=folder,
            env=clean_environment()
            | KEYS
            | dict.fromkeys(ADDRESSES, elsewhere)
            | ({"CLIPMART_NOW": now} if now else {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
        )
        strangers = _connections(trap)
    return DemoRun(str(folder), done.returncode, done.stdout, done.stderr, strangers)


def clean_environment() -> dict[str, str]:
    """The environment without anything that clipmart would read."""
    ours = ("CLIPMART_", "KLIPIT_", "CLIPUS_", "SOURCES__")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def shared_run(suite_folder: Path) -> DemoRun:
    """The suite's one run: whichever of its processes comes first makes it, the others wait."""
    saved = suite_folder / "demo-run.json"
    with (suite_folder / "demo-run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not saved.exists():
            saved.write_text(json.dumps(asdict(run_demo(suite_folder / "demo run"))))
    return DemoRun(**json.loads(saved.read_text()))


@contextmanager
def _trap() -> Iterator[socket.socket]:
    """A listening socket that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as trap:
        trap.setblocking(False)
        yield trap


def _connections(trap: socket.socket) -> int:
    count = 0
    while True:
        try:
            trap.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1
