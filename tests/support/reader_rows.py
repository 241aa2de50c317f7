"""A few landing rows with hostile texts."""

from __future__ import annotations

from tests.support.landing_data import Rows, at

HOOK = "=HYPERLINK(1)|a\nb \x1b[31mred\x9b31m \u202eback"
MADE = at("2026-04-08 12:00")


def rows(score: float = 94.0) -> Rows:
    """Two complete jobs, one clip of this score, one campaign that renders."""
    return {
        "klipit.jobs": [
            {
                "id": "job_1",
                "status": "complete",
                "duration_seconds": 3842.0,
                "created_at": MADE,
                "completed_at": at("2026-04-08 12:04:12"),
                "observed_at": MADE,
            },
            {"id": "job_2", "status": "complete", "created_at": MADE, "observed_at": MADE},
        ],
        "klipit.clips": [
            {
                "id": "clip_1",
                "job_id": "job_1",
                "moment_type": "[bold red]bold_prediction[/]",
                "shareability_score": score,
                "hook_suggestion": HOOK,
                "start_seconds": 134.5,
                "media_url": "https://cdn.example/clip?signature=1",
                "observed_at": MADE,
            }
        ],
        "klipit.submissions": [
            {
                "submission_id": "s1",
                "origin": "import",
                "state": "known",
                "job_id": "job_1",
                "show_name": '@The, "Founders" 日本',
                "platforms": ["tiktok", "reels"],
                "recorded_at": MADE,
            }
        ],
        "clipus.campaigns": [
            {
                "campaign_id": "c1",
                "status": "rendering",
                "languages": ["en", "日本語"],
                "created_at": MADE,
                "observed_at": MADE,
            }
        ],
    }
