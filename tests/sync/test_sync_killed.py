"""A sync that is killed anywhere, again and again, ends like an uninterrupted one."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.support.clipmart import Clipmart

CHUNK = 20
JOBS, CAMPAIGNS = 90, 15

# Clipus is done long before Klipit, and its rows are published while Klipit's are fetched.
SMALL_CHUNKS = f"""
import pipelines.sync.services
import pipelines.sync.writer
pipelines.sync.writer.CHUNK_IDS = {CHUNK}
pipelines.sync.services.PUBLISH_AFTER_SECONDS = 0.0
from pipelines.cli import main
main(["sync"], prog_name="clipmart")
"""

# Which runs there were differs by nature; all else must be equal.
COMPARED = [
    *("klipit.jobs", "klipit.clips", "klipit.clip_reads", "klipit.job_observations"),
    *("klipit.submissions", "klipit.account_snapshots", "clipus.submissions"),
    *("clipus.campaigns", "clipus.videos", "clipus.campaign_observations"),
    *("clipus.video_observations", "clipus.plan_observations", "clipmart.rejected_records"),
    *("reports.shareability", "reports.moment_types", "reports.video_readiness"),
]


def fill(sandbox: Sandbox) -> None:
    for number in range(JOBS):
        clips: list[dict[str, Any]] = [
            {"id": f"clip_{number}_{k}", "shareability_score": 50.5 + k, "moment_type": "how_to"}
            for k in range(number % 5)
        ]
        if number % 30 == 7:
            clips.append({"id": f"bad_{number}", "start_seconds": "text"})
        sandbox.add_job(f"job_{number:03}", clips=clips)
    for number in range(CAMPAIGNS):
        videos = [{"id": f"v{k}", "status": "ready"} for k in range(number % 4)]
        sandbox.add_campaign(f"c-{number:02}", status="rendering", videos=videos)


def track(clipmart: Clipmart) -> None:
    clipmart("track", "klipit", *(f"job_{number:03}" for number in range(JOBS)))
    clipmart("track", "clipus", *(f"c-{number:02}" for number in range(CAMPAIGNS)))


def start(clipmart: Clipmart) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SMALL_CHUNKS],
        cwd=clipmart.folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(clipmart.folder), **clipmart.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def content(clipmart: Clipmart) -> dict[str, Counter[tuple[str, ...]]]:
    return {
        table: Counter(tuple(map(str, row)) for row in clipmart.rows(table)) for table in COMPARED
    }


def kill_at_random(
    clipmart: Clipmart, sandbox: Sandbox, dice: random.Random, *, lose_dlt: bool
) -> int:
    """Kill one sync at a random request and a random moment after it; returns its requests."""
    before = len(sandbox.requests)
    after_requests, then_wait = dice.randint(0, 2 * JOBS), dice.uniform(0, 1.5)
    process = start(clipmart)
    deadline = time.monotonic() + 20
    while (
        len(sandbox.requests) - before < after_requests
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.005)
    try:
        process.wait(then_wait)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if lose_dlt:
        shutil.rmtree(clipmart.data_dir / "state" / "dlt", ignore_errors=True)
    return len(sandbox.requests) - before


def prove(clipmart: Clipmart, sandbox: Sandbox, folder: Path, kills: int, seed: int) -> None:
    fill(sandbox)
    whole = Clipmart(folder / "whole", dict(clipmart.environ))
    whole.folder.mkdir()
    track(whole)
    whole("sync")
    needed = len(sandbox.requests)

    track(clipmart)
    dice = random.Random(seed)
    for number in range(kills):
        kill_at_random(clipmart, sandbox, dice, lose_dlt=number % 4 == 2)
    last = start(clipmart)
    assert last.wait(60) in (0, 1)  # 1 where this run still met the rejected clips
    assert clipmart.warehouse.exists()

    assert content(clipmart) == content(whole)
    # Each kill may cost one chunk: its ids' polls and clip reads, and the account's.
    assert len(sandbox.requests) - needed <= needed + kills * (2 * CHUNK + 10)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("kills", [3, pytest.param(12, marks=pytest.mark.soak)])
def test_killed_again_and_again_it_ends_like_an_uninterrupted_sync(
    sandbox: Sandbox, clipmart: Clipmart, tmp_path: Path, kills: int
) -> None:
    """state/dlt deleted after every fourth kill; then one sync: the same rows, none twice.

    The soak kills at twelve moments instead of four.
    """
    prove(clipmart, sandbox, tmp_path, kills=kills, seed=20260408)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_kills_end_like_an_uninterrupted_sync(
    sandbox: Sandbox, clipmart: Clipmart, tmp_path: Path, seed: int
) -> None:
    """Five stores, 20 kills each."""
    prove(clipmart, sandbox, tmp_path, kills=20, seed=seed)
