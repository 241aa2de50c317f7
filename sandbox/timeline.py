"""How a job and a campaign change after their submission, by the domain clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox import believable
from sandbox.clock import text
from sandbox.records import Fields, Record


def job(seed: int, job_id: str, submission: Fields, source: str, at: datetime) -> Record:
    """A submitted job: queued → transcribing → clipping → complete or failed.

    It takes a minute and a twentieth of the episode's length: in the reference's example,
    an episode of 3,842 s took 252 s.
    """
    episode = believable.episode(seed, source, submission.get("show_name"))
    work = 60 + episode.duration_seconds / 20

    def after(share: float) -> datetime:
        return at + timedelta(seconds=round(work * share))

    clips = believable.clips(seed, job_id, episode, source)
    known = {"duration_seconds": episode.duration_seconds}
    steps: list[tuple[datetime, Fields]] = [(after(0.08), {"status": "transcribing"} | known)]
    if episode.fate == "failed":
        steps.append((after(0.4), {"status": "failed", "error": episode.error}))
    elif episode.fate != "stuck":
        done = {"status": "complete", "clip_count": len(clips), "completed_at": text(after(1))}
        steps += [(after(0.65), {"status": "clipping"}), (after(1), done)]
    return Record(
        {
            "id": job_id,
            "status": "queued",
            "clip_count": None,
            "duration_seconds": None,
            "created_at": text(at),
            "completed_at": None,
        },
        steps=steps,
        clips=clips,
        submission=submission,
    )


def campaign(seed: int, campaign_id: str, submission: Fields, at: datetime) -> Record:
    """A submitted campaign: collecting → rendering → completed or failed.

    Its videos appear when rendering begins, end one after another, and are published
    hours or days later, or never. `completed` and `failed` are this server's words: the
    reference shows only collecting and rendering.
    """
    plan = believable.launch(seed, submission["url"])
    chance = believable.dice(seed, "videos", submission["url"])
    rendering = at + timedelta(seconds=chance.randint(60, 180))
    record = Record(
        {
            "campaign_id": campaign_id,
            "status": "collecting",
            "url": submission["url"],
            "title": submission["title"],
            "languages": submission["languages"],
            "created_at": text(at),
            "videos": [],
        },
        submission=submission,
    )
    if plan.fate == "failed":
        record.steps = [(rendering, {"status": "failed"})]
        return record

    platforms = [platform for platform in plan.platforms for _ in submission["languages"]]
    videos: list[Fields] = [
        {
            "id": f"v{number}",
            "platform": platform,
            "status": "rendering",
            "file_url": None,
            "duration_seconds": None,
            "published_at": None,
        }
        for number, platform in enumerate(platforms, 1)
    ]
    changes: list[tuple[datetime, int, Fields]] = []
    ended = rendering
    for number in range(len(videos)):
        ended += timedelta(seconds=chance.randint(40, 150))
        if plan.fate in ("stuck", "straggler") and number == len(videos) - 1:
            continue  # this one never ends
        if chance.random() < 0.08:
            changes.append((ended, number, {"status": "failed"}))
            continue
        ready = {
            "status": "ready",
            "file_url": f"https://cdn.clipus.example/{campaign_id}/v{number + 1}.mp4",
            "duration_seconds": chance.choice((15, 27.5, 30, 30, 45)),
        }
        changes.append((ended, number, ready))
        if chance.random() < 0.6:
            published = ended + timedelta(hours=chance.choice((1, 5, 26, 49, 170)))
            changes.append((published, number, {"published_at": text(published)}))

    record.steps = [(rendering, {"status": "rendering", "videos": videos})]
    for instant, number, change in sorted(changes, key=lambda change: change[:2]):
        videos = [*videos[:number], videos[number] | change, *videos[number + 1 :]]
        record.steps.append((instant, {"videos": videos}))
    if plan.fate != "stuck":
        record.steps.append((ended, {"status": "completed"}))
        record.steps.sort(key=lambda step: step[0])
    return record
