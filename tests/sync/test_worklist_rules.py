"""Which ids are due: one landing store has every case, and each rule has an id of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.landing.loader import Loader
from pipelines.landing.store import Landing
from pipelines.landing.tables import tables_of
from pipelines.service import CLIPUS, KLIPIT
from pipelines.service.klipit import WEBHOOK_EVENTS
from pipelines.sync.worklist import worklist
from sources.clipus.tables import CAMPAIGN_OBSERVATIONS, CAMPAIGNS, VIDEOS
from sources.klipit.tables import CLIP_READS, JOB_OBSERVATIONS, JOBS
from sources.shared.chunks import REJECTED_RECORDS
from sources.shared.due import Due
from sources.shared.tables import Row, Table

NOW = datetime(2026, 4, 8, 12, tzinfo=UTC)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


class Store:
    """Rows of cases, loaded once; a case is an id."""

    def __init__(self) -> None:
        self.klipit: dict[Table, list[Row]] = {t: [] for t in tables_of("klipit")}
        self.clipus: dict[Table, list[Row]] = {t: [] for t in tables_of("clipus")}
        self.clipmart: dict[Table, list[Row]] = {t: [] for t in tables_of("clipmart")}

    def known(self, id_: str, origin: str = "import", recorded_at: datetime = NOW) -> None:
        self.klipit[KLIPIT.submissions].append(
            {"submission_id": id_, "job_id": id_, "origin": origin, "recorded_at": recorded_at}
        )

    def job(self, id_: str, status: str, created_at: datetime, seen: datetime, **more: Any) -> None:
        self.known(id_)
        self.klipit[JOBS].append(
            {"id": id_, "status": status, "created_at": created_at, "observed_at": seen, **more}
        )

    def read(self, id_: str, at: datetime) -> None:
        self.klipit[CLIP_READS].append({"job_id": id_, "observed_at": at, "clips": 1})

    def event(self, id_: str, event: str, received: datetime, at: datetime | None = None) -> None:
        self.klipit[WEBHOOK_EVENTS].append(
            {
                "event_id": f"{id_}{event}{received}",
                "event": event,
                "job_id": id_,
                "event_at": at,
                "received_at": received,
            }
        )

    def rejected(self, source: str, id_: str, reason: str, seen: datetime) -> None:
        endpoint = "jobs" if source == "klipit" else "campaigns"
        self.clipmart[REJECTED_RECORDS].append(
            {
                "record_id": f"{source}{id_}",
                "source": source,
                "endpoint": endpoint,
                "id": id_,
                "reason": reason,
                "seen_at": seen,
            }
        )

    def campaign(
        self, id_: str, status: str | None, created_at: datetime, seen: datetime, *videos: Row
    ) -> None:
        self.clipus[CLIPUS.submissions].append(
            {"submission_id": id_, "campaign_id": id_, "origin": "import", "recorded_at": NOW}
        )
        if status is not None:
            self.clipus[CAMPAIGNS].append(
                {
                    "campaign_id": id_,
                    "status": status,
                    "created_at": created_at,
                    "observed_at": seen,
                }
            )
        self.clipus[VIDEOS] += [
            {"campaign_id": id_, "id": f"v{n}", **video} for n, video in enumerate(videos)
        ]


DUE: dict[str, bool] = {}


def klipit_cases(store: Store) -> None:
    def case(id_: str, due: bool) -> str:
        DUE[id_] = due
        return id_

    store.known(case("never requested", True))

    ladder = [
        ("under 10 min", {"minutes": 9}, {"seconds": 15}),
        ("under 1 h", {"minutes": 59}, {"minutes": 2}),
        ("under 1 day", {"hours": 23}, {"minutes": 30}),
        ("under 14 days", {"days": 13}, {"hours": 12}),
    ]
    for name, age, patience in ladder:
        wait = timedelta(**patience)
        for suffix, seen, due in (
            ("long enough ago", NOW - wait, True),
            ("too lately", NOW - wait + timedelta(seconds=1), False),
        ):
            store.job(case(f"{name}, seen {suffix}", due), "clipping", ago(**age), seen)
    store.job(case("older than 14 days", False), "clipping", ago(days=15), ago(days=14))
    store.job(
        case("created in the future", True), "queued", NOW + timedelta(hours=3), ago(seconds=15)
    )
    store.job(case("without created_at", True), "queued", None, ago(seconds=15))  # type: ignore[arg-type]

    done = ago(days=30)
    store.job(case("failed", False), "failed", done, done)
    store.job(case("cancelled", False), "Cancelled", done, done)
    store.job(case("complete, unread", True), "complete", done, done, completed_at=done)
    store.job(case("complete, clip_count 0", False), "complete", done, done, clip_count=0)
    store.job(case("complete, read", False), "complete", done, done, completed_at=done)
    store.read("complete, read", done)
    store.job(case("completed again since", True), "complete", done, NOW, completed_at=ago(hours=1))
    store.read("completed again since", ago(hours=2))
    store.job(
        case("completed ahead of the clock", False),
        "complete",
        done,
        ago(hours=2),
        completed_at=NOW + timedelta(hours=1),
    )
    store.read("completed ahead of the clock", ago(hours=2))
    store.job(case("no completed_at, read after", False), "complete", done, ago(hours=2))
    store.read("no completed_at, read after", ago(hours=1))
    store.job(case("no completed_at, read before", True), "complete", done, ago(hours=2))
    store.read("no completed_at, read before", ago(hours=3))

    for minutes, due in ((14, False), (15, True)):
        id_ = case(f"created {minutes} min ago, by webhook alone", due)
        store.known(id_, "webhook")
        store.event(id_, "job.created", ago(minutes=minutes))
    store.known(case("created and complete, by webhook", True), "webhook")
    store.event("created and complete, by webhook", "job.created", ago(minutes=5))
    store.event("created and complete, by webhook", "job.complete", ago(minutes=1))
    store.known(case("created by webhook, imported too", True), "webhook")
    store.klipit[KLIPIT.submissions].append(
        {
            "submission_id": "other",
            "job_id": "created by webhook, imported too",
            "origin": "import",
            "recorded_at": NOW,
        }
    )
    store.event("created by webhook, imported too", "job.created", ago(minutes=5))
    store.job(case("event after the last look", True), "failed", done, ago(hours=2))
    store.event("event after the last look", "job.failed", NOW, ago(hours=1))
    store.job(case("event before the last look", False), "failed", done, ago(hours=1))
    store.event("event before the last look", "job.failed", NOW, ago(hours=2))

    store.known(case("not found", False))
    store.rejected("klipit", "not found", "not_found", ago(days=1))
    store.known(case("rejected long ago", True), recorded_at=ago(hours=2))
    store.rejected("klipit", "rejected long ago", "type: status is not text", ago(minutes=30))
    store.known(case("rejected lately", False), recorded_at=ago(hours=2))
    store.rejected("klipit", "rejected lately", "type: status is not text", ago(minutes=29))
    store.job(case("vanished", False), "clipping", ago(hours=5), ago(hours=4))
    store.klipit[JOB_OBSERVATIONS].append(
        {
            "observation_id": "x",
            "job_id": "vanished",
            "status": "not_found",
            "observed_at": ago(hours=3),
        }
    )


def cases_of_odd_dates(store: Store) -> None:
    """Such a job's age counts from when it was first known: now."""
    for name, created_at in (
        ("zero time", datetime(1, 1, 1, tzinfo=UTC)),
        ("1999", datetime(1999, 12, 31, tzinfo=UTC)),
        ("year 9999", datetime(9999, 12, 31, tzinfo=UTC)),
    ):
        for seen, due in ((ago(seconds=15), True), (ago(seconds=14), False)):
            id_ = f"created in {name}, seen {(NOW - seen).seconds} s ago"
            DUE[id_] = due
            store.job(id_, "transcribing", created_at, seen)


def cases_of_a_clock_that_was_a_year_ahead(store: Store) -> None:
    """What it stamped neither holds an id back nor wakes what is settled."""
    ahead = NOW + timedelta(days=365)
    DUE.update(
        {
            "unfinished, observed ahead": True,
            "unfinished for 15 days, observed ahead": False,
            "failed, observed ahead": False,
            "failed, observed ahead, event since": True,
            "complete and read, observed ahead": False,
            "complete, read before, observed ahead": True,
            "rejected ahead": True,
            "created ahead, by webhook alone": True,
            "rendering, observed ahead": True,
            "one unpublished, observed ahead": True,
        }
    )
    store.job("unfinished, observed ahead", "clipping", ago(hours=5), ahead)
    store.job("unfinished for 15 days, observed ahead", "clipping", ago(days=15), ahead)
    store.job("failed, observed ahead", "failed", ago(days=30), ahead)
    store.job("failed, observed ahead, event since", "failed", ago(days=30), ahead)
    store.event("failed, observed ahead, event since", "job.created", NOW, ago(minutes=1))
    store.job(
        "complete and read, observed ahead",
        "complete",
        ago(days=30),
        ahead,
        completed_at=ago(days=29),
    )
    store.read("complete and read, observed ahead", ahead)
    store.job("complete, read before, observed ahead", "complete", ago(days=30), ahead)
    store.read("complete, read before, observed ahead", ago(days=1))
    store.known("rejected ahead", recorded_at=ago(hours=2))
    store.rejected("klipit", "rejected ahead", "type: status is not text", ahead)
    store.known("created ahead, by webhook alone", "webhook")
    store.event("created ahead, by webhook alone", "job.created", ahead)
    store.campaign("rendering, observed ahead", "rendering", ago(hours=2), ahead)
    pending = {"status": "ready"}
    store.campaign("one unpublished, observed ahead", "done", ago(days=3), ahead, pending)


def clipus_cases(store: Store) -> None:
    def case(id_: str, due: bool) -> str:
        DUE[id_] = due
        return id_

    day, pending = ago(hours=24), {"status": "ready"}
    published = {"status": "ready", "published_at": ago(days=2)}
    store.campaign(case("campaign never requested", True), None, NOW, NOW)
    store.campaign(case("rendering", True), "rendering", ago(hours=2), ago(minutes=30))
    store.campaign(
        case("rendering, seen lately", False), "rendering", ago(hours=2), ago(minutes=29)
    )
    zero = datetime(1, 1, 1, tzinfo=UTC)
    unpublished = {"status": "ready", "published_at": zero}
    store.campaign(case("created at Go's zero time", True), "rendering", zero, ago(minutes=30))
    store.campaign(case("published at Go's zero time", True), "done", ago(days=3), day, unpublished)
    store.campaign(case("campaign failed", False), "canceled", ago(days=3), ago(days=2))
    store.campaign(case("all published", False), "completed", ago(days=3), ago(days=2), published)
    failed = {"status": "error"}
    store.campaign(case("all failed", False), "completed", ago(days=3), ago(days=2), failed)
    store.campaign(case("without videos", False), "completed", ago(days=3), ago(days=2))
    store.campaign(case("one unpublished", True), "done", ago(days=3), day, published, pending)
    lately = day + timedelta(seconds=1)
    store.campaign(
        case("one unpublished, seen lately", False), "done", ago(days=3), lately, pending
    )
    store.campaign(
        case("unpublished for 14 days", False), "done", ago(days=14), ago(days=2), pending
    )
    store.campaign(case("hinted", True), "completed", ago(days=3), ago(days=2), published)
    store.campaign(case("hinted before", False), "completed", ago(days=3), ago(days=2), published)
    store.campaign(case("campaign not found", False), None, NOW, NOW)
    store.rejected("clipus", "campaign not found", "not_found", ago(days=1))
    store.campaign(case("campaign vanished", False), "rendering", ago(days=1), ago(hours=20))
    store.clipus[CAMPAIGN_OBSERVATIONS].append(
        {
            "observation_id": "x",
            "campaign_id": "campaign vanished",
            "status": "not_found",
            "observed_at": ago(hours=19),
        }
    )


HINTS = {"hinted": ago(hours=1), "hinted before": ago(days=3)}
STORE = Store()
klipit_cases(STORE)
cases_of_odd_dates(STORE)
cases_of_a_clock_that_was_a_year_ahead(STORE)
clipus_cases(STORE)


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landing]:
    folder = tmp_path_factory.mktemp("worklist")
    store = Landing(folder / "landing.duckdb")
    loader = Loader(folder / "landing.duckdb", folder / "dlt")
    loader.load("clipmart", STORE.clipmart)
    loader.load("klipit", STORE.klipit)
    loader.load("clipus", STORE.clipus)
    yield store
    store.close()


@pytest.fixture(scope="module")
def due(landing: Landing) -> dict[str, Due]:
    due = worklist(landing, "klipit", NOW).due
    due += worklist(landing, "clipus", NOW, hints=HINTS).due
    assert len(due) == len({item.id for item in due})
    return {item.id: item for item in due}


@pytest.mark.parametrize("case", DUE)
def test_due(case: str, due: dict[str, Due]) -> None:
    """Each case is due or not, as its id and comment say."""
    assert (case in due) is DUE[case]


def test_a_complete_job_with_unread_clips_is_not_polled_again(due: dict[str, Due]) -> None:
    """Only its clips are read."""
    assert due["complete, unread"].poll is False
    assert due["event after the last look"].poll is True
    assert due["complete, read before, observed ahead"].poll is True, "a poll dates it right"


def test_ids_to_refresh_come_first_settled_or_not(landing: Landing) -> None:
    """A named id comes first, even if it is settled."""
    due = worklist(landing, "klipit", NOW, refresh=["failed", "never requested"]).due
    assert [item.id for item in due[:2]] == ["failed", "never requested"]
    assert sum(item.id == "never requested" for item in due) == 1


def test_a_row_of_an_incomplete_load_does_not_count(landing: Landing) -> None:
    """An interrupted load counts as if it had not happened: its ids are due."""
    before = {item.id for item in worklist(landing, "klipit", NOW).due}
    assert "complete, read" not in before
    landing.connection.execute("BEGIN; UPDATE klipit._dlt_loads SET status = 1")
    try:
        after = {item.id for item in worklist(landing, "klipit", NOW).due}
    finally:
        landing.connection.execute("ROLLBACK")
    assert {"complete, read", "failed"} <= after
