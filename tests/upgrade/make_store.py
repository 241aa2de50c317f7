"""Make a data folder with the code of a commit: `python -m tests.upgrade.make_store COMMIT`.

That commit's commands run against that commit's sandbox; the packages are the ones installed here,
so `/path/to/another/venv/bin/python -m tests.upgrade.make_store` makes one with other packages
(`--name` then says which). README.md, next to this file, lists the folders.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
PLACE = Path("/tmp/clipmart-store")  # noqa: S108 - dlt saves it, so it must say nothing of a machine
BEFORE, AFTER = "2026-04-08T12:00:00Z", "2026-04-08T15:00:00Z"
SCRAP = ("/state/build", "/state/lock", "/trace.pickle", "/load/loaded", "/load/normalized")
"""What the stored folder leaves out: none of it outlives a sync, or is read again."""


def make(commit: str, name: str) -> None:
    """Check the commit out, let it fill a folder, and pack that."""
    shutil.rmtree(PLACE, ignore_errors=True)
    tree, folder = PLACE / "tree", PLACE / "folder"
    tree.mkdir(parents=True)
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit], check=True, capture_output=True).stdout
    subprocess.run(["tar", "x", "-C", tree], check=True, input=archive)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tree), "HOME": str(folder)}
    subprocess.run([sys.executable, __file__, "--fill"], check=True, cwd=folder, env=environ)
    with tarfile.open(HERE / "stores" / f"{name}.tar.xz", "w:xz", preset=9) as packed:
        packed.add(folder / "data", "data", filter=_anonymous)
    shutil.rmtree(PLACE)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if any(part in f"/{member.name}" for part in SCRAP):
        return None
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def fill() -> None:
    """What is in every folder, as far as the commit has the commands; README.md counts it."""
    from sandbox import Sandbox, running

    with running(Sandbox(now=BEFORE, minute_seconds=0)) as sandbox:
        sandbox.add_job("job_1", clips=2, tags=["ü"])
        sandbox.add_job("job_2", clips=0)
        sandbox.add_job("job_3", status="failed", error="no speech")
        sandbox.add_job("job_4", status="clipping", mood="calm", weight=1)
        sandbox.add_campaign("c-1", status="rendering", videos=[{"id": "v1", "status": "ready"}])
        environ = {
            **os.environ,
            "KLIPIT_BASE_URL": sandbox.klipit_url,
            "CLIPUS_BASE_URL": sandbox.clipus_url,
            "KLIPIT_API_KEY": "klipit_sk_sandbox",
            "CLIPUS_API_KEY": "sk_live_sandbox",
            "CLIPMART_MINUTE_SECONDS": "0",
        }

        def clipmart(now: str, *arguments: str, stdin: str = "") -> None:
            code = "from pipelines.cli import main; main(prog_name='clipmart')"
            done = subprocess.run(
                [sys.executable, "-c", code, *arguments],
                input=stdin,
                text=True,
                env=environ | {"CLIPMART_NOW": now},
            )
            print(*arguments, "→", done.returncode)

        csv = "job_id,show_name,submitted_at\njob_1,Ton,2026-04-01\njob_2,,\njob_3,,\njob_4,,\n"
        clipmart(BEFORE, "track", "klipit", "--from", "-", stdin=csv)
        clipmart(BEFORE, "track", "clipus", "c-1")
        clipmart(BEFORE, "submit", "klipit", "--source-url", "https://failing.example/a")
        clipmart(BEFORE, "sync")
        clipmart(BEFORE, "credits", "120", "--at", "2026-04-07T00:00:00Z")
        clipmart(BEFORE, "untrack", "klipit", "job_2")
        clipmart(BEFORE, "export", "job_1", "--platform", "tiktok")
        sandbox.clock.advance(hours=3)
        sandbox.set_clips("job_1", [{"id": "clip_1", "moment_type": "joke"}])
        clipmart(AFTER, "sync", "--refresh", "job_1")


if __name__ == "__main__":
    if sys.argv[1:] == ["--fill"]:
        fill()
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("commit")
        parser.add_argument("--name")
        given = parser.parse_args()
        make(given.commit, given.name or given.commit)
