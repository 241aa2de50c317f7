"""A month of use in which some of the APIs' texts are hostile."""

from __future__ import annotations

from datetime import timedelta

from tests.support.landing_data import NOW, Rows, a_month_of_use

SCRIPT = "<script>hacked=1</script>"
TEXTS = [
    SCRIPT,
    f"</title></style></svg>{SCRIPT}",
    '"><img src=https://evil.example/x.png onerror=hacked=1>',
    "' onmouseover='hacked=1",
    "{{ 7*7 }}{% raw %}{# x #}",
    "&lt;b&gt; stays &amp;",
    "w" * 300,
]
STEERING = "\u202egnp.exe\x00\x1b[31m\u2028"
GOOD_LINKS = ["https://ok.example/a?b=1&c=%22", "HTTP://ok.example/ä"]
BAD_LINKS = [
    "javascript:hacked=1",
    "JaVaScRiPt:hacked=1//https://ok.example",
    "java\nscript:hacked=1",
    "data:text/html,<script>hacked=1</script>",
    "//evil.example/x",
    "https://ok.example/\njavascript:hacked=1",
    'https://ok.example/"><script>hacked=1</script> x',
    "https:///nowhere",
    "https://[nowhere",
    "file:///etc/passwd",
    " https://ok.example/",
]


def rows() -> Rows:
    """The month, with such texts in every field that an API or a person may fill."""
    tables = a_month_of_use(seed=20260408)
    lately = {
        job["id"]
        for job in tables["klipit.jobs"]
        if job["status"] == "complete" and (job["created_at"] or NOW) > NOW - timedelta(days=30)
    }
    first = {clip["job_id"]: clip for clip in reversed(tables["klipit.clips"])}
    clips = [clip for job, clip in first.items() if job in lately][
        -2 * len(GOOD_LINKS + BAD_LINKS) :
    ]
    for n, clip in enumerate(clips):
        clip["shareability_score"] = 120.0 - n / 4  # the best, so that each is on the page
        clip["hook_suggestion"] = [*TEXTS, STEERING][n % (len(TEXTS) + 1)]
        clip["moment_type"] = TEXTS[n % 3]
        clip["media_url"] = (GOOD_LINKS + BAD_LINKS)[n % len(GOOD_LINKS + BAD_LINKS)]
        clip["start_seconds"], clip["end_seconds"] = [(3599.96, 1e300), (-4.0, 5023.75)][n % 2]
    for n, submission in enumerate(tables["klipit.submissions"][:40]):
        submission["show_name"] = TEXTS[n % 2]
        submission["guest_name"] = TEXTS[n % 7]
    for n, campaign in enumerate(tables["clipus.campaigns"][:8]):
        campaign |= {"title": TEXTS[n % 7], "url": BAD_LINKS[0], "status": "<b>odd</b>"}
        campaign["created_at"] = NOW - timedelta(days=2, minutes=n)  # the latest that are stuck
        campaign["observed_at"] = NOW
    tables["clipus.videos"][0]["platform"] = SCRIPT
    tables["clipmart.rejected_records"] = [
        {
            "record_id": "r1",
            "source": "klipit",
            "endpoint": SCRIPT,
            "id": "job_1",
            "reason": TEXTS[2],
            "payload": {},
            "seen_at": NOW,
        }
    ]
    tables["clipmart.sync_runs"] = [
        {
            "run_id": f"run{n}",
            "started_at": NOW - timedelta(hours=n),
            "finished_at": NOW - timedelta(hours=n, minutes=-1),
            "exit_code": 75 if n == 1 else 0,
            "requests": 10 + n,
            "rows": 100 + n,
            "rejected": n,
        }
        for n in range(1, 12)
    ]
    return tables
