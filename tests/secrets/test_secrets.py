"""Canary secrets appear nowhere if anything fails, at DEBUG of every library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sandbox import Fault, Sandbox
from tests.support.clipmart import Clipmart

KLIPIT = "klipit_sk_canary7f3a"
LONGER = KLIPIT + "b9"  # one is a prefix of another: masking the shorter must not leave the rest
WRONG = "sk_live_canary51c8wrong"
WEBHOOK = "whsec_canary90dd"
SIGNATURE = "sig=canary66ab"

AT_DEBUG = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
import sources.shared.http
sources.shared.http.BACKOFF_SECONDS = 0.01
from pipelines.cli import main
for command in sys.argv[1:]:
    try:
        main(command.split(), prog_name="clipmart")
    except SystemExit as ended:
        print(command, "ended with", ended.code)
"""


def run(prepared: Clipmart, *commands: str) -> str:
    """Everything that commands print at DEBUG, one after the other in one process."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CLIPMART", "KLIPIT"))}
    done = subprocess.run(
        [sys.executable, "-c", AT_DEBUG, *commands],
        cwd=prepared.folder,
        env={**clean, **prepared.environ, "RUNTIME__LOG_LEVEL": "DEBUG"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


def test_no_secret_is_printed_or_written(
    sandbox: Sandbox, prepared: Clipmart, tmp_path: Path
) -> None:
    """Failures of every kind; keys in no output and no file, signed links in no output."""
    sandbox.add_klipit_key(KLIPIT)
    sandbox.add_klipit_key(LONGER)
    prepared.environ |= {
        "KLIPIT_API_KEY": KLIPIT,
        "CLIPUS_API_KEY": WRONG,
        "KLIPIT_WEBHOOK_SECRET": WEBHOOK,
        "CLIPUS_WEBHOOK_TOKEN": WEBHOOK,
    }
    link = f"https://cdn.example/clip.mp4?{SIGNATURE}"
    sandbox.add_job("job_1", clips=[{"id": "a", "media_url": link}])
    sandbox.add_job("job_2", clips=[{"id": "b", "media_url": [link]}, {"media_url": link}])
    sandbox.add_job("job_3", clips=1)
    sandbox.add_job("job_4", clips=1)
    sandbox.faults.plan(
        [
            Fault("redirect", "/jobs/job_4", location=f"https://elsewhere.example/?{SIGNATURE}"),
            *(Fault(kind, "/jobs/*") for kind in ("error", "drop", "malformed", "truncated")),
        ]
    )
    output = run(
        prepared,
        "track klipit job_1 job_2 job_3 job_4 job_gone",
        "track clipus c-1",
        "sync",
        "sync --json",
        "doctor",
    )
    prepared.environ["KLIPIT_API_KEY"] = LONGER
    output += run(prepared, "sync --refresh job_1")
    prepared.environ["KLIPIT_BASE_URL"] = "http://127.0.0.1:9"
    output += run(prepared, "sync --refresh job_1", "status", "rejected", "ids klipit")

    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    for secret in (KLIPIT, WRONG, WEBHOOK):
        assert secret not in output
        assert secret.encode() not in written
    assert "canary66ab" not in output
    assert "DEBUG" in output, "the libraries did log"
    assert prepared.rows("SELECT media_url FROM klipit.clips WHERE id = 'a'") == [(link,)]


def test_the_state_is_its_owners_alone(sandbox: Sandbox, prepared: Clipmart) -> None:
    """The folder is closed to others, its database files too."""
    prepared("track", "klipit", "job_1")
    prepared("sync")
    state = prepared.data_dir / "state"
    assert state.stat().st_mode & 0o077 == 0
    for name in ("ledger.sqlite", "landing.duckdb", "lock"):
        assert (state / name).stat().st_mode & 0o077 == 0
