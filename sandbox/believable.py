"""Believable content: what becomes of a submission, and a month of use to submit.

Everything follows from the seed and the submission, so the same URL has the same
outcome over HTTP and in the month. The hosts in `FATES` decide the outcome, so that each
can be had on purpose.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from sandbox.records import Fields

# Hosts with a fixed outcome; blocked.example is refused at once (422).
FATES = {
    "good.example": "complete",
    "failing.example": "failed",
    "silent.example": "empty",
    "stuck.example": "stuck",
    "straggling.example": "straggler",
}
BLOCKED_HOST = "blocked.example"

# The eight documented moment types (Klipit reference, "Moment types"): mean score, a
# reason and a hook. Means differ, so that a comparison of types shows something.
MOMENTS: dict[str, tuple[int, str, str]] = {
    "founder_reveal": (
        85,
        "First time this is told in public, with a concrete number.",
        "We had {n} days of cash left, and nobody knew",
    ),
    "emotional_story": (
        82,
        "Personal stakes, a turn, and a quiet ending.",
        "The phone call that changed {topic} for me",
    ),
    "bold_prediction": (
        78,
        "A claim with a date that time can prove wrong.",
        "In {n} months nobody will talk about {topic}",
    ),
    "host_guest_debate": (
        75,
        "Both sides land a point within a minute.",
        "“You are wrong about {topic}” — and then it got good",
    ),
    "contrarian_take": (
        73,
        "Turns accepted advice upside down and gives a reason.",
        "Stop optimising {topic}",
    ),
    "strong_opinion": (
        70,
        "One sentence, no hedging, easy to disagree with.",
        "{topic} is not a strategy",
    ),
    "quotable_one_liner": (
        66,
        "Short enough for a caption.",
        "“{topic} is just patience with a budget”",
    ),
    "how_to": (
        60,
        "Steps that a viewer can copy today.",
        "{n} steps to fix {topic} this week",
    ),
}
TOPICS = ("pricing", "hiring", "churn", "cold outreach", "AI agents", "burnout", "naïve growth")


@dataclass(frozen=True)
class Show:
    """A podcast and when its episodes are submitted."""

    name: str
    weekdays: tuple[int, ...]  # Monday is 0
    hour: int  # UTC
    minutes: int  # typical length of an episode
    strength: int  # points above or below the typical score
    guests: tuple[str, ...]
    platforms: tuple[str, ...]


SHOWS = (
    Show("Morning Margin", (0, 1, 2, 3, 4), 6, 24, -4, ("Ada Okafor", "Tom Reyes"), ("tiktok",)),
    Show(
        "Über Gründer",
        (1, 3),
        15,
        58,
        3,
        ("Jörg Weiß", "Zoë Brandt", "Émile Dufour"),
        ("reels", "linkedin"),
    ),
    Show("Café con Código", (2,), 18, 71, 6, ("María Núñez", "Iñaki Olano"), ("shorts", "reels")),
    Show("起業家の朝", (4,), 1, 44, 0, ("佐藤 花子", "Ken Mori"), ("tiktok", "shorts")),
    Show("Second Act", (5,), 10, 96, 9, ("Priya Raman", "Lars Ødegård"), ("tiktok", "linkedin")),
)
PRODUCTS = (
    ("Inboxly", ["en", "ja"]),
    ("Ledgerleaf", ["en"]),
    ("日報くん", ["ja", "en"]),
    ("Fjordform", ["en", "ko", "ja"]),
    ("Piñata CRM", ["en", "es"]),
)


def dice(*parts: object) -> random.Random:
    """Random numbers that are the same for the same parts, in every process."""
    return random.Random("|".join(map(str, parts)))  # noqa: S311 - believable, not secret


def _fate(
    chance: random.Random, source: str, fates: tuple[str, ...], weights: tuple[int, ...]
) -> str:
    drawn = chance.choices(fates, weights)[0]  # always drawn, so that later numbers stay the same
    return FATES.get(urlsplit(source).hostname or "", drawn)


# --- Klipit ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Episode:
    """What Klipit finds in a source, and the job's outcome (`fate`)."""

    fate: str  # complete, empty, failed or stuck
    duration_seconds: float
    error: str
    strength: int

    @property
    def credits(self) -> float:
        """The price: a credit for each ten minutes or part of it. Invented; none is public."""
        return float(-(-self.duration_seconds // 600))


def episode(seed: int, source: str, show_name: str | None = None) -> Episode:
    """The episode behind a source (a URL, or an uploaded file's name)."""
    chance = dice(seed, "episode", source)
    show = next((show for show in SHOWS if show.name == show_name), None)
    fate = _fate(chance, source, ("complete", "empty", "failed", "stuck"), (86, 5, 6, 3))
    minutes = show.minutes if show else chance.randint(15, 90)
    return Episode(
        fate=fate,
        duration_seconds=round(minutes * 60 * chance.uniform(0.8, 1.25) * 2) / 2,
        error=chance.choice(
            ("No speech found in the audio.", "The source could not be downloaded.")
        ),
        strength=show.strength if show else 0,
    )


def clips(
    seed: int, job_id: str, episode: Episode, source: str, amount: int | None = None
) -> list[Fields]:
    """The clips of a complete episode; about one in sixteen is not scored."""
    if episode.fate != "complete" and amount is None:
        return []
    chance = dice(seed, "clips", source)
    amount = chance.randint(2, 8) if amount is None else amount
    clips = []
    for position in range(amount):
        moment_type = chance.choice(tuple(MOMENTS))
        mean, reason, hook = MOMENTS[moment_type]
        score = round(min(99.5, max(5, chance.gauss(mean + episode.strength, 8))) * 2) / 2
        duration = chance.randint(60, 380) / 4
        start = chance.randint(0, max(0, int(episode.duration_seconds - duration) * 4)) / 4
        clip_id = f"clip_{_base32(dice(seed, job_id, position).getrandbits(80), 16)}"
        clips.append(
            {
                "id": clip_id,
                "moment_type": moment_type,
                "shareability_score": None if chance.random() < 1 / 16 else _plain(score),
                "reason": reason,
                "hook_suggestion": hook.format(
                    n=chance.randint(3, 30), topic=chance.choice(TOPICS)
                ),
                "start_seconds": _plain(start),
                "end_seconds": _plain(start + duration),
                "duration_seconds": _plain(duration),
                "media_url": f"https://cdn.klipit.example/clips/{clip_id}.mp4",
            }
        )
    return clips


def _plain(number: float) -> float:
    """A number as the reference shows it: without a fraction if it is whole."""
    return int(number) if number == int(number) else number


# --- Clipus ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Launch:
    """A campaign's outcome (`fate`) and its platforms."""

    fate: str  # completed, failed, stuck or straggler (completed with a video never ready)
    platforms: tuple[str, ...]


def launch(seed: int, url: str) -> Launch:
    """The launch of a page. Clipus makes a video for each language and platform."""
    chance = dice(seed, "launch", url)
    fate = _fate(chance, url, ("completed", "failed", "stuck", "straggler"), (86, 6, 4, 4))
    others = chance.sample(("tiktok", "linkedin", "instagram"), chance.randint(0, 2))
    return Launch("completed" if fate == "complete" else fate, ("youtube", *others))


# --- Ids ------------------------------------------------------------------------------


def ulid(at: datetime, *parts: object) -> str:
    """26 lower-case characters that sort by time, as job ids do."""
    return _base32(int(at.timestamp() * 1000), 10) + _base32(dice(*parts).getrandbits(80), 16)


def _base32(number: int, length: int) -> str:
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    return "".join(alphabet[number >> 5 * place & 31] for place in reversed(range(length)))


# --- A month of use -------------------------------------------------------------------


@dataclass(frozen=True)
class Use:
    """One action of a customer.

    `body` is that of POST /jobs or POST /campaigns, or `{"credits": …}` for a top-up.
    """

    at: datetime
    service: str  # klipit, clipus or top_up
    body: dict[str, Any]


def month_of_use(
    seed: int, end: datetime, *, balance: float = 150.0, videos_per_month: int = 60
) -> list[Use]:
    """Thirty days that end at `end` (UTC), by instant.

    Every outcome occurs: jobs that fail, hang or have no clips, campaigns that fail, hang
    or have a video that stays pending. Credits fall from `balance` and are topped up; one
    launch day uses exactly the month's `videos_per_month`, and its last submission is
    refused.
    """
    end = end.astimezone(UTC).replace(microsecond=0)
    uses = [*_episodes(seed, end), *_campaigns(seed, end, videos_per_month)]
    return sorted(_with_top_ups(seed, sorted(uses, key=_when), balance), key=_when)


def _when(use: Use) -> datetime:
    return use.at


def _days(end: datetime) -> list[datetime]:
    midnight = end.replace(hour=0, minute=0, second=0)
    return [midnight - timedelta(days=back) for back in range(30, -1, -1)]


def _source(fate_of: Callable[[str], str], wanted: str, pattern: str) -> str:
    """The first URL of a pattern (with {} for a number) that has the wanted outcome."""
    return next(url for n in count(100) if fate_of(url := pattern.format(n)) == wanted)


def _episodes(seed: int, end: datetime) -> Iterator[Use]:
    rare = {5: "failed", 11: "empty", 17: "stuck", 24: "failed", 33: "empty"}
    slots = [
        (
            day + timedelta(hours=show.hour, seconds=dice(seed, day, show.name).randint(0, 2400)),
            show,
        )
        for day in _days(end)
        for show in SHOWS
        if day.weekday() in show.weekdays
    ]
    # One is submitted just before the end, so that something is always still running.
    latest = end - timedelta(minutes=2)
    slots = [slot for slot in slots if end - timedelta(days=30) <= slot[0] < latest]
    for number, (at, show) in enumerate([*slots, (latest, SHOWS[1])]):
        slug = "".join(
            letter for letter in show.name.lower() if letter.isascii() and letter.isalpha()
        )
        source = _source(
            lambda url: episode(seed, url).fate,
            rare.get(number, "complete"),
            f"https://podcasts.example/{slug or 'asa'}/{number}-{{}}.mp3",
        )
        guest = dice(seed, "guest", at, show.name).choice((None, *show.guests))
        yield Use(
            at,
            "klipit",
            {
                "source_url": source,
                "show_name": show.name,
                **({"guest_name": guest} if guest else {}),
                "description": f"{show.name}, {at:%d %B %Y}",
                "platforms": list(show.platforms),
            },
        )


def _campaigns(seed: int, end: datetime, quota: int) -> Iterator[Use]:
    days = [day for day in _days(end)[1:] if day + timedelta(hours=9) < end]
    # The launch day: the last weekday of the month that most of these days belong to.
    most = max({day.month for day in days}, key=lambda month: sum(d.month == month for d in days))
    launch_day = max(
        day
        for day in days
        if day.month == most and day.weekday() < 5 and day + timedelta(hours=10) <= end
    )
    rare = {2: "failed", 4: "stuck", 6: "straggler"}
    number = used = 0
    refused = False
    for day in days:
        if day == launch_day:
            hours = [9 + minutes / 60 for minutes in range(0, 60, 2)]
        else:
            hours = [10.5] if day.weekday() in (0, 2, 3) else []
        for hour in hours:
            at = day + timedelta(hours=hour)
            if at >= end or (day.month == most and refused):
                break
            name, languages = PRODUCTS[number % len(PRODUCTS)]
            left = quota - used if day.month == most else quota
            refused = left == 0
            if not refused:
                languages = languages[:left]  # the last campaign takes what is left
            url = _source(
                partial(_outcome, seed, most=left // len(languages) or None),
                rare.get(number, "completed"),
                f"https://product{number % len(PRODUCTS) + 1}.example/launch-{number}-{{}}",
            )
            number += 1
            if day.month == most and not refused:
                used += len(languages) * len(launch(seed, url).platforms)
            yield Use(
                at, "clipus", {"url": url, "title": f"{name}: {at:%d %b}", "languages": languages}
            )


def _outcome(seed: int, url: str, *, most: int | None) -> str:
    """A page's fate; "" if it has more than `most` platforms."""
    page = launch(seed, url)
    return page.fate if most is None or len(page.platforms) <= most else ""


def _with_top_ups(seed: int, uses: list[Use], balance: float) -> Iterator[Use]:
    for use in uses:
        if use.service == "klipit":
            price = episode(seed, use.body["source_url"], use.body["show_name"]).credits
            if balance - price < 10:
                yield Use(use.at - timedelta(minutes=30), "top_up", {"credits": 120.0})
                balance += 120
            balance -= price
        yield use
