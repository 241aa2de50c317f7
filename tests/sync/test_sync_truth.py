"""A large and varied set of jobs and campaigns lands equal to the server's data."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox import Sandbox
from tests.support.clipmart import Clipmart

TYPES = ["bold_prediction", "how_to", "völlig_neu", "host_guest_debate", None]
START = datetime(2026, 3, 1, tzinfo=UTC)


def made_up_clips(dice: random.Random, job: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"clip_{job}_{number}",
            "moment_type": dice.choice(TYPES),
            "shareability_score": dice.choice([None, 0, 87, 94.5, 100]),
            "reason": dice.choice(["Ünïcödé „quoted“ 🎬", None, ""]),
            "hook_suggestion": dice.choice(["=cmd|' /C calc'!A0", "<script>", "two\nlines"]),
            "start_seconds": number * 60 + dice.choice([0, 0.5]),
            "end_seconds": number * 60 + 30.25,
            "duration_seconds": 30,
            "media_url": None,
            **({"emotion": {"joy": 0.5}} if number % 3 == 0 else {}),
        }
        for number in range(dice.randint(0, 6))
    ]


def test_400_jobs_and_60_campaigns_land_as_they_are_and_are_not_requested_again(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Unicode, nulls, half seconds, new fields, unknown moment types; then nothing is due."""
    dice = random.Random(7)
    jobs: dict[str, dict[str, Any]] = {}
    for number in range(400):
        id_ = f"job_{number:03}"
        status = "failed" if number % 10 == 3 else "complete"
        created = START + timedelta(hours=2 * number)
        clips = made_up_clips(dice, number) if status == "complete" else []
        fields: dict[str, Any] = {
            "duration_seconds": dice.choice([3842, 3842.5, None]),
            "created_at": created.isoformat().replace("+00:00", "Z"),
            "completed_at": (created + timedelta(minutes=4)).isoformat(),
            **({"error": "no speech"} if status == "failed" else {}),
        }
        sandbox.add_job(id_, status=status, clips=clips, **fields)
        jobs[id_] = {"status": status, "clips": clips, **fields}
    campaigns: dict[str, list[dict[str, Any]]] = {}
    for number in range(60):
        videos = [
            {
                "id": f"v{k}",
                "platform": dice.choice(["youtube", "tiktok", "x"]),
                "status": "ready",
                "file_url": f"https://cdn.example/{number}/{k}?sig=a%2Bb",
                "duration_seconds": dice.choice([30, 29.5, None]),
                "published_at": "2026-04-01T00:00:00Z",
            }
            for k in range(number % 4)
        ]
        sandbox.add_campaign(f"c-{number:02}", status="completed", title=None, videos=videos)
        campaigns[f"c-{number:02}"] = videos
    landing_only("track", "klipit", "--from", "-", stdin="\n".join(jobs))
    landing_only("track", "clipus", "--from", "-", stdin="\n".join(campaigns))

    assert landing_only("sync").code == 0

    def as_instant(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text else None

    assert Counter(
        landing_only.rows(
            """SELECT id, status, clip_count, duration_seconds, created_at, completed_at, error
               FROM klipit.jobs"""
        )
    ) == Counter(
        (
            id_,
            job["status"],
            None if job["status"] == "failed" else len(job["clips"]),
            job["duration_seconds"],
            as_instant(job["created_at"]),
            as_instant(job["completed_at"]),
            job.get("error"),
        )
        for id_, job in jobs.items()
    )
    names = [
        *("id", "moment_type", "shareability_score", "reason", "hook_suggestion"),
        *("start_seconds", "end_seconds", "duration_seconds", "media_url"),
    ]
    landed = landing_only.rows(f"SELECT job_id, {', '.join(names)}, emotion FROM klipit.clips")
    assert Counter(row[:-1] for row in landed) == Counter(
        (id_, *(clip[name] for name in names)) for id_, job in jobs.items() for clip in job["clips"]
    )
    assert {row[1]: json.loads(row[-1]) for row in landed if row[-1]} == {
        clip["id"]: clip["emotion"]
        for job in jobs.values()
        for clip in job["clips"]
        if "emotion" in clip
    }
    assert Counter(
        landing_only.rows(
            """SELECT campaign_id, id, platform, file_url, duration_seconds, published_at
               FROM clipus.videos"""
        )
    ) == Counter(
        (
            id_,
            video["id"],
            video["platform"],
            video["file_url"],
            video["duration_seconds"],
            as_instant(video["published_at"]),
        )
        for id_, videos in campaigns.items()
        for video in videos
    )

    sandbox.forget_requests()
    assert landing_only("sync").code == 0
    assert [request.path for request in sandbox.requests] == ["/account"]


def test_a_finished_job_costs_one_poll_and_one_clip_read(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """An empty or a failed job costs no clip read."""
    sandbox.add_job("job_full", clips=3)
    sandbox.add_job("job_empty", clips=0)
    sandbox.add_job("job_failed", status="failed")
    landing_only("track", "klipit", "job_full", "job_empty", "job_failed")

    landing_only("sync")

    assert sorted(request.path for request in sandbox.requests) == [
        "/account",
        "/jobs/job_empty",
        "/jobs/job_failed",
        "/jobs/job_full",
        "/jobs/job_full/clips",
    ]
