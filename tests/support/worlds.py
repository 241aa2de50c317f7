"""Small worlds that real use has and tidy examples do not, each published once a session.

A world is a function that fills a `World`; a test over all of them takes the fixture `world`.
To add one: write the function, its docstring saying what is special, and list it in WORLDS.
"""

from __future__ import annotations

import fcntl
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.ledger.ledger import Ledger
from pipelines.settings import Settings
from pipelines.sync.result import ServiceResult
from pipelines.warehouse.publish import publish
from tests.support.clipmart import Clipmart
from tests.support.landing_data import Rows, write_landing

NOW = datetime(2026, 4, 30, 12, tzinfo=UTC)
TYPES = ("bold_prediction", "how_to", "emotional_story")
PLATFORMS = ("youtube", "tiktok", "linkedin")


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@dataclass
class World:
    """What has landed, written a thing at a time; every argument overrides a believable value."""

    tables: Rows = field(default_factory=lambda: defaultdict(list))
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Results of syncs, the latest last, for the run log."""

    def job(
        self,
        job_id: str,
        days: float = 1,
        *,
        clips: int | list[dict[str, Any]] = 3,
        known: bool = True,
        show: str | None = None,
        guest: str | None = None,
        **fields: Any,
    ) -> None:
        """A job of `days` ago, complete unless said otherwise, with its clips."""
        job = {
            "id": job_id,
            "status": "complete",
            "duration_seconds": 3600.0,
            "created_at": days_ago(days),
            "completed_at": days_ago(days) + timedelta(minutes=20),
            "observed_at": min(days_ago(days) + timedelta(minutes=30), NOW),
            **fields,
        }
        if job["status"] != "complete":
            job["completed_at"], clips = None, 0
        self.tables["klipit.jobs"].append(job)
        if known:
            self.known_job(job_id, job["observed_at"], show_name=show, guest_name=guest)
        if job["status"] == "complete":
            listed = [{} for _ in range(clips)] if isinstance(clips, int) else clips
            self.tables["klipit.clip_reads"].append(
                {"job_id": job_id, "observed_at": job["observed_at"], "clips": len(listed)}
            )
            for n, clip in enumerate(listed):
                self.clip(job_id, n, **clip)

    def known_job(self, job_id: str, at: datetime = NOW, **said: Any) -> None:
        self.tables["klipit.submissions"].append(
            {
                "submission_id": f"import-{job_id}",
                "origin": "import",
                "state": "known",
                "job_id": job_id,
                "recorded_at": at,
                **said,
            }
        )

    def clip(self, job_id: str, n: int, **fields: Any) -> None:
        self.tables["klipit.clips"].append(
            {
                "id": f"{job_id}_clip{n}",
                "job_id": job_id,
                "moment_type": TYPES[n % 3],
                "shareability_score": 60.0 + 9 * (n % 4),
                "hook_suggestion": f"Nobody expected this, part {n}",
                "start_seconds": 100.0 * n,
                "end_seconds": 100.0 * n + 42.5,
                "duration_seconds": 42.5,
                "media_url": f"https://cdn.example/{n}.mp4?signature=1",
                "observed_at": NOW,
                **fields,
            }
        )

    def campaign(
        self, campaign_id: str, days: float = 1, *, videos: list[dict[str, Any]], **fields: Any
    ) -> None:
        """A campaign of `days` ago, complete unless said otherwise."""
        created = days_ago(days)
        campaign = {
            "campaign_id": campaign_id,
            "status": "complete",
            "url": "https://product.example/",
            "title": "Launch",
            "languages": ["en", "ja"],
            "created_at": created,
            "observed_at": min(created + timedelta(hours=2), NOW),
            **fields,
        }
        self.tables["clipus.campaigns"].append(campaign)
        self.tables["clipus.submissions"].append(
            {
                "submission_id": f"submit-{campaign_id}",
                "origin": "submit",
                "state": "known",
                "campaign_id": campaign_id,
                "submitted_at": created,
                "recorded_at": created,
            }
        )
        for n, video in enumerate(videos):
            row = {
                "campaign_id": campaign_id,
                "id": f"v{n}",
                "platform": PLATFORMS[n % 3],
                "status": "ready",
                "file_url": "https://cdn.example/video.mp4",
                "duration_seconds": 30.0,
                "published_at": None,
                "observed_at": campaign["observed_at"],
                **video,
            }
            self.tables["clipus.videos"].append(row)
            self.tables["clipus.video_observations"].append(
                {
                    "observation_id": f"{campaign_id}-{n}",
                    "campaign_id": campaign_id,
                    "video_id": row["id"],
                    "status": row["status"],
                    "observed_at": campaign["observed_at"],
                }
            )

    def balance(self, days: float, balance: float, origin: str = "api") -> None:
        self.tables["klipit.account_snapshots"].append(
            {"observed_at": days_ago(days), "balance": balance, "origin": origin}
        )

    def rejected(self, id_: str, reason: str, *, source: str = "klipit") -> None:
        self.tables["clipmart.rejected_records"].append(
            {
                "record_id": f"{source}-{id_}-{reason}",
                "source": source,
                "endpoint": "jobs" if source == "klipit" else "campaigns",
                "id": id_,
                "reason": reason,
                "payload": {"id": id_},
                "seen_at": NOW,
            }
        )

    def ran(self, exit_code: int = 0, rejected: int = 0, error: str | None = None) -> None:
        """A sync of Klipit, an hour ago."""
        klipit = ServiceResult(rejected=rejected, error=error).as_json()
        result = {"exit_code": exit_code, "error": None, "services": {"klipit": klipit}}
        self.runs.append(result)


# --- Few, none, all alike ---


def ids_without_metadata(world: World) -> None:
    """The most ordinary import: a plain list of ids, so that no job has a show or a guest."""
    for n in range(12):
        world.job(f"job_{n}", 2 * n)


def one_job(world: World) -> None:
    world.job("job_1", show="The Show", guest="Jane")


def all_failed(world: World) -> None:
    """Each job and campaign failed, some with a reason, one with a long one."""
    reasons = ["No speech found", None, "Timed out. " * 60, "No speech found"]
    for n, reason in enumerate(reasons):
        world.job(f"job_{n}", 40 + n, status="failed", error=reason, show="The Show")
    world.campaign("c-1", 41, status="failed", videos=[{"status": "failed", "file_url": None}])
    world.ran()


def an_old_failure(world: World) -> None:
    """One episode failed before others that did well."""
    world.job("job_1", 30, status="failed", error="No speech found")
    world.job("job_2", 2)


def all_running(world: World) -> None:
    """Some of them for too long."""
    for n, status in enumerate(["queued", "transcribing", "clipping", "a word of its own"]):
        world.job(f"job_{n}", n * 0.1, status=status)
    world.campaign("c-1", 3, status="rendering", videos=[{"status": "rendering"}] * 2)


def no_scores(world: World) -> None:
    """The API sends no score at all, so the column has never landed."""
    world.job("job_1", 3)
    world.job("job_2", 10)
    for clip in world.tables["klipit.clips"]:
        del clip["shareability_score"]


def null_scores(world: World) -> None:
    for n in range(3):
        world.job(f"job_{n}", 7 * n, show="The Show", clips=[{"shareability_score": None}] * 2)


def some_null_scores(world: World) -> None:
    """A show and a moment type without any score, next to others that have some."""
    world.job("job_1", 3, show="Scored")
    unscored = {"shareability_score": None, "moment_type": "only_unscored"}
    world.job("job_2", 3, show="Unscored", clips=[unscored] * 3)
    world.job("job_3", 10, show="Unscored", clips=0)


def no_moment_type(world: World) -> None:
    for n in range(3):
        world.job(f"job_{n}", 7 * n, show="The Show", clips=[{"moment_type": None}] * 3)


def scores_of_0(world: World) -> None:
    for n in range(3):
        world.job(f"job_{n}", 7 * n, show="The Show", clips=[{"shareability_score": 0.0}] * 3)
    world.balance(3, 0.0)
    world.balance(1, 0.0)


def one_value(world: World) -> None:
    """Every number is the same, so that no axis has a range of its own."""
    for n in range(4):
        world.job(f"job_{n}", 7 * n, show="The Show", clips=[{"shareability_score": 71.5}] * 3)
        world.balance(n, 100.0)


def jobs_without_clips(world: World) -> None:
    for n in range(3):
        world.job(f"job_{n}", 7 * n, show="The Show", clips=0)


# --- Numbers ---


def negative_and_huge_scores(world: World) -> None:
    scores = [-5.0, -1e9, 1e300, 1.7e308, 1.7e308, 1e15, 0.001, 85.0]
    world.job("job_1", 3, show="Odd", clips=[{"shareability_score": score} for score in scores])
    world.job("job_2", 10, show="Low", clips=[{"shareability_score": -1.7e308}] * 3)
    world.job("job_3", 10, show="Even", clips=3, duration_seconds=-60.0)
    times = {"start_seconds": -4.0, "end_seconds": 1e300, "duration_seconds": -1e300}
    world.job("job_4", 17, show="Even", clips=[times], duration_seconds=1e300)


def odd_balances(world: World) -> None:
    """Below zero, absurdly high, bought and used in between, by hand and from the API."""
    for days, balance in [(30, 1e15), (20, -3.0), (10, 0.5), (9, 0.25), (2, 12000.125)]:
        world.balance(days, balance, "hand" if days > 15 else "api")
    world.job("job_1", 9.5)


def a_minute_of_credits(world: World) -> None:
    """Hardly anything is left, and days are counted by the burn of one."""
    world.job("job_1", 1)
    world.balance(1.5, 500.0)
    world.balance(0.5, 0.001)


# --- Times ---


def no_created_at(world: World) -> None:
    """Finished, failed and running, and none says when it began."""
    world.job("job_1", 3, created_at=None, show="The Show")
    world.job("job_2", 3, created_at=None, completed_at=None)
    world.job("job_3", 3, created_at=None, status="failed", error="No speech found")
    world.job("job_4", 3, created_at=None, status="clipping")
    world.campaign("c-1", 3, created_at=None, videos=[{}, {}])


def some_created_at(world: World) -> None:
    world.job("job_1", 3, show="The Show")
    world.job("job_2", 3, show="The Show", created_at=None)


def dates_of_1970_and_2031(world: World) -> None:
    for n, year in enumerate([1970, 2026, 2031]):
        created = datetime(year, 1, 1, tzinfo=UTC)
        world.job(f"job_{n}", created_at=created, completed_at=created, show="The Show")
        world.campaign(f"c-{n}", created_at=created, videos=[{"published_at": created}])


def ten_years_apart(world: World) -> None:
    for days in (1, 3653):
        world.job(f"job_{days}", days, show="The Show")
        world.campaign(f"c-{days}", days, videos=[{}])
        world.balance(days, 100.0 + days)


def weeks_without_data(world: World) -> None:
    for n, days in enumerate([1, 2, 60, 61, 150, 152]):
        world.job(f"job_{n}", days, show=f"Show {n % 2}")
        world.balance(days, 500.0 + days)


def completed_before_created(world: World) -> None:
    world.job("job_1", 3, completed_at=days_ago(30), observed_at=days_ago(60))
    world.campaign("c-1", 3, observed_at=days_ago(60), videos=[{"published_at": days_ago(90)}])


# --- One service, or much of it ---


def only_clipus(world: World) -> None:
    for n in range(5):
        videos = [{"status": status} for status in ("ready", "failed", "rendering")]
        world.campaign(f"c-{n}", 3 * n + 2, videos=videos)


def only_klipit(world: World) -> None:
    for n in range(20):
        world.job(f"job_{n}", 3 * n, show=f"Show {n % 3}", guest=f"Guest {n % 5}")
        world.balance(3 * n, 400.0 + 30 * n)


def only_balances(world: World) -> None:
    """A key was set and no id was tracked yet."""
    for n in range(20):
        world.balance(n, 100 + 5.5 * n)


def campaigns_without_videos(world: World) -> None:
    world.campaign("c-1", 3, videos=[], title=None)
    world.campaign("c-2", 0.1, videos=[], status="collecting", title=None, url=None)


def a_thousand_videos(world: World) -> None:
    """One campaign for 40 platforms."""
    statuses = ("ready", "failed", "rendering", "published")
    world.campaign(
        "c-1",
        5,
        videos=[
            {"platform": f"platform_number_{n % 40}", "status": statuses[n % 4]}
            for n in range(1000)
        ],
    )


def two_hundred_shows(world: World) -> None:
    for n in range(400):
        world.job(f"job_{n}", n / 4, show=f"Show number {n % 200}", guest=f"Guest {n}")


def many_moment_types(world: World) -> None:
    for n in range(60):
        kind = {"moment_type": f"a_moment_type_with_a_long_name_{n}", "shareability_score": n + 0.5}
        world.job(f"job_{n}", n, show="The Show", clips=[kind] * 2)


# --- Texts ---


def half_the_shows_named(world: World) -> None:
    for n in range(10):
        world.job(f"job_{n}", 3 * n, show="The Show" if n % 2 else None)


def _everywhere(world: World, texts: list[str]) -> None:
    """The texts in every field that an API or a person may fill."""
    for n, text in enumerate(texts):
        clips = [{"moment_type": text, "hook_suggestion": text, "media_url": text}] * 2
        world.job(f"job_{n}", 3 * n, show=text, guest=text, clips=clips, topic=text)
        world.job(f"job_{n}f", 1, status="failed", error=text, show=text)
        world.job(f"job_{n}s", 1, status=f"clipping {text}", show=text)
        video = {"platform": text, "file_url": text}
        world.campaign(
            f"c-{n}", 3, title=text, url=text, languages=[text], videos=[video, video], note=text
        )
        world.campaign(f"c-{n}s", 3, status=f"rendering {text}", title=text, videos=[])
        world.rejected(f"job_{text}", f"type: {text}")
    world.ran(1, 1, error=texts[-1])


def blank_names(world: World) -> None:
    _everywhere(world, ["", " ", "\t\n", "\u3000", "\u00a0"])


def control_characters(world: World) -> None:
    """NUL, ESC, bells, C1, and what moves, hides or breaks text."""
    _everywhere(
        world,
        [
            "a\x00b",
            "\x1b[31mred\x1b]0;title\x07\x9b2J\x7f",
            "line\r\nbreak\u2028\u2029\x0b\x0c\x85",
            "soft\u00adhyphen\ufeffmark\u200bspace",
            "tag\U000e0041\U000e007fged\u061c\u2060",
        ],
    )


def right_to_left(world: World) -> None:
    """Arabic and Hebrew, and what turns the writing of other text."""
    _everywhere(
        world, ["שלום עולם", "مرحبا بالعالم", "invoice\u202egnp.exe", "\u2067isolated\u200f\u200e"]
    )


def emoji(world: World) -> None:
    """Families joined by invisible characters, a flag spelled by tags, joined Persian text."""
    family = "\u200d".join(["\N{WOMAN}", "\N{WOMAN}", "\N{GIRL}"])
    england = "\N{WAVING BLACK FLAG}" + "".join(chr(0xE0000 + ord(c)) for c in "gbeng\x7f")
    persian = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    _everywhere(
        world,
        ["🎙️ Show", f"{family} family", f"{england} England", persian, "日本のスタートアップ"],
    )


def names_of_300_characters(world: World) -> None:
    _everywhere(world, ["w" * 300, "many words " * 27, "長" * 300])


def texts_that_look_like_markup(world: World) -> None:
    """HTML, templates, Markdown, terminal markup, formulas."""
    _everywhere(
        world,
        [
            "<script>hacked=1</script><img src=x onerror=hacked=1>",
            "{{ 7*7 }}{% raw %}",
            "| a | `b` | **c** [link](https://evil.example) |",
            "[bold red]markup[/]",
            "=HYPERLINK(1)",
            "'; DROP TABLE x; --",
        ],
    )


def words_that_look_missing(world: World) -> None:
    """A show that is really called None."""
    _everywhere(world, ["None", "nan", "undefined", "NULL"])


# --- What did not land ---


def not_found_only(world: World) -> None:
    """Ids that are known, and that the API does not know."""
    for n in range(3):
        world.known_job(f"job_{n}")
        world.rejected(f"job_{n}", "not_found")
    world.ran(1, 3)


def values_noted(world: World) -> None:
    """Everything landed; of some records a value that nobody documented did not."""
    world.job("job_1", 3, show="The Show")
    world.rejected("job_1", "field")
    world.rejected("job_2", "field")
    world.ran()


def records_rejected(world: World) -> None:
    """One record of each kind of reason, and one clip that looks odd."""
    world.job("job_1", 3, show="The Show", clips=[{"shareability_score": 150.0}])
    world.rejected("job_2", "type: status is not text")
    world.rejected("job_3", "not_found")
    world.rejected("job_4", "field")
    world.rejected("c-4", "not_found", source="clipus")
    world.ran(1, 3)


def known_and_not_fetched(world: World) -> None:
    """Ids were registered and one submission's outcome is unknown; nothing landed."""
    world.known_job("job_1")
    world.tables["klipit.submissions"].append(
        {"submission_id": "lost", "origin": "submit", "state": "unknown", "recorded_at": NOW}
    )


def undocumented_fields(world: World) -> None:
    """New columns with names that need quoting, and a status word or platform that is absent."""
    new: dict[str, Any] = {
        'a "quoted" name': 1.5,
        "select": True,
        "ünïcode 🎙️": "x",
        "nested": {"a": [1, None]},
    }
    world.job("job_1", 3, **new, status=None)
    world.job("job_2", 3, **new)
    world.campaign("c-1", 3, videos=[{"platform": None, "status": None, **new}], languages=[])


def nothing_at_all(world: World) -> None:
    """Published, and empty."""


_ALL: tuple[Callable[[World], None], ...] = (
    ids_without_metadata,
    one_job,
    all_failed,
    an_old_failure,
    all_running,
    no_scores,
    null_scores,
    some_null_scores,
    no_moment_type,
    scores_of_0,
    one_value,
    jobs_without_clips,
    negative_and_huge_scores,
    odd_balances,
    a_minute_of_credits,
    no_created_at,
    some_created_at,
    dates_of_1970_and_2031,
    ten_years_apart,
    weeks_without_data,
    completed_before_created,
    only_clipus,
    only_klipit,
    only_balances,
    campaigns_without_videos,
    a_thousand_videos,
    two_hundred_shows,
    many_moment_types,
    half_the_shows_named,
    blank_names,
    control_characters,
    right_to_left,
    emoji,
    names_of_300_characters,
    texts_that_look_like_markup,
    words_that_look_missing,
    not_found_only,
    values_noted,
    records_rejected,
    known_and_not_fetched,
    undocumented_fields,
    nothing_at_all,
)
WORLDS = {fill.__name__: fill for fill in _ALL}


def published_world(name: str, folder: Path) -> Clipmart:
    """The command line on the world of that name, built and published in `folder` unless it was."""
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _publish(name, folder)
    # Without colours, at 80 columns, as where a person sends the output to a file.
    environ = {"CLIPMART_NOW": NOW.isoformat(), "COLUMNS": "80", "NO_COLOR": "1"}
    return Clipmart(folder, environ)


def _publish(name: str, folder: Path) -> None:
    world = World()
    WORLDS[name](world)
    settings = Settings(data_dir=folder / "data", pinned_now=NOW)
    settings.state_dir.mkdir(mode=0o700, parents=True)
    write_landing(settings.landing, {table: rows for table, rows in world.tables.items() if rows})
    publish(settings)
    if world.runs:
        ledger = Ledger(settings.ledger)
        for n, result in enumerate(world.runs):
            ledger.start_run(f"run{n}", NOW - timedelta(hours=1))
            ledger.finish_run(f"run{n}", NOW - timedelta(minutes=59), result)
        ledger.close()


def worlds(*quick: str, group: str = "world {}") -> list[Any]:
    """Every world as a parameter; if some are named, the others are left to `make soak`."""
    assert set(quick) <= WORLDS.keys()
    return [
        pytest.param(
            name,
            id=name,
            marks=[
                pytest.mark.xdist_group(group.format(name)),
                *([pytest.mark.soak] if quick and name not in quick else []),
            ],
        )
        for name in WORLDS
    ]
