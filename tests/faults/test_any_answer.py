"""Any JSON and headers in the APIs' answers: nothing breaks, and one clean sync lands the truth."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sandbox import Fault, Sandbox, running
from tests.support.clipmart import NOW, Clipmart

AT_ONCE = 25
"""Answers of one example: a sync takes a second, whatever it lands."""

HUGE = "@1e999"  # stands for a number that JSON has and Python's writer does not
TEXT = st.text(max_size=12)
INSTANTS = st.sampled_from(
    [
        *("2026-04-08T11:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2031-02-30", "-1", ""),
    ]
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.just(10**400)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT | INSTANTS | st.just(HUGE)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NAMES = TEXT | st.sampled_from(
    ["_Dlt_load_id", "_CLIPMART_REMOVED", "a;b", "s", "\u017f", "x", "x ", " ", "extra", "Extra"]
)


def like(**documented: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A record with some documented fields, right or wrong, and undocumented ones."""
    known = {name: value | ANYTHING for name, value in documented.items()}
    return st.builds(
        lambda more, fields: {**more, **fields},
        st.dictionaries(NAMES, ANYTHING, max_size=3),
        st.fixed_dictionaries({}, optional=known),
    )


STATUSES = st.sampled_from(["complete", "failed", "queued", "ready", "Complete", "\x1b[2J"])
CLIP = like(
    id=st.sampled_from(["clip_a", "clip_b", "clip_c"]),
    shareability_score=NUMBERS,
    start_seconds=NUMBERS,
    moment_type=TEXT,
    observed_at=INSTANTS,
)
VIDEO = like(
    id=st.sampled_from(["v1", "v2"]), status=STATUSES, published_at=INSTANTS, file_url=TEXT
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["date", "x-ratelimit-limit", "x-ratelimit-plan", "x-clipus-api-scopes", "content-type"]
    ),
    st.sampled_from(
        [
            *("Fri, 31 Dec 9999 23:59:59 -2359", "Wed, 08 Apr 2026 12:00:00 GMT", "\x7f"),
            *("Sun, 01 Jan 2036 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "²", "-1", "1e999"),
            *("9" * 400, "", "x" * 900),
        ]
    ),
    max_size=3,
)


def answers(path: str, body: st.SearchStrategy[Any]) -> st.SearchStrategy[Fault]:
    """A whole answer under a path: mostly 200 with a likely body, sometimes anything."""
    return st.builds(
        lambda body, status, headers: Fault(
            "answer",
            path,
            times=None,
            status=status,
            body=json.dumps(body).replace(f'"{HUGE}"', "1e999").encode(),
            headers=headers,
        ),
        body | ANYTHING,
        st.sampled_from([200, 200, 200, 200, 201, 400, 404, 410, 422]),
        HEADERS,
    )


JOBS = [f"job_{number}" for number in range(AT_ONCE - 8)]
CAMPAIGNS = [f"c-{number}" for number in range(8)]
ODD_ANSWERS = st.tuples(
    answers("/account", like(credits=NUMBERS, balance=ANYTHING)),
    *(
        answers(
            f"/jobs/{job}",
            like(
                id=st.just(job),
                status=STATUSES,
                clip_count=NUMBERS,
                created_at=INSTANTS,
                completed_at=INSTANTS,
                duration_seconds=NUMBERS,
            ),
        )
        for job in JOBS
    ),
    *(answers(f"/jobs/{job}/clips", like(clips=st.lists(CLIP, max_size=4))) for job in JOBS[::2]),
    *(
        answers(
            f"/api/v1/campaigns/{campaign}",
            like(
                campaign_id=st.just(campaign),
                status=STATUSES,
                languages=st.lists(TEXT, max_size=3),
                created_at=INSTANTS,
                videos=st.lists(VIDEO, max_size=3),
            ),
        )
        for campaign in CAMPAIGNS
    ),
)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    """Jobs of two clips and campaigns of one video, the same for every example."""
    with running(Sandbox(now=NOW, minute_seconds=0)) as sandbox:
        for job in JOBS:
            sandbox.add_job(job, clips=[{"id": f"{job}_{letter}"} for letter in "ab"])
        for campaign in CAMPAIGNS:
            sandbox.add_campaign(
                campaign, status="completed", videos=[{"id": "v1", "status": "ready"}]
            )
        yield sandbox


def check(served: Sandbox, store: Clipmart, odd: tuple[Fault, ...]) -> None:
    """One sync with odd answers, then one without: the second publishes the truth."""
    served.faults.clear()
    served.faults.plan(odd)
    first = store("sync", "--refresh", *JOBS, *CAMPAIGNS)
    # 75: a header that is no header at all is an answer that did not come.
    assert first.code in (0, 1, 75), first.err
    for command in (["report"], ["status"], ["rejected"]):
        assert store(*command).code == 0

    served.faults.clear()
    second = store("sync", "--refresh", *JOBS, *CAMPAIGNS)
    assert second.code == 0, second.err
    assert store.rows("SELECT job_id, count(*) FROM klipit.clips GROUP BY ALL ORDER BY ALL") == [
        (job, 2) for job in sorted(JOBS)
    ]
    assert store.rows("SELECT id FROM klipit.jobs ORDER BY id") == [(job,) for job in sorted(JOBS)]
    assert store.rows("SELECT campaign_id, id, status FROM clipus.videos ORDER BY ALL") == [
        (campaign, "v1", "ready") for campaign in sorted(CAMPAIGNS)
    ]


@pytest.fixture(scope="module")
def store(
    served: Sandbox, prepared_state: Path, tmp_path_factory: pytest.TempPathFactory
) -> Clipmart:
    """One store for all examples: later ones meet what an odd answer left."""
    import shutil

    clipmart = Clipmart(
        tmp_path_factory.mktemp("any"),
        {
            "KLIPIT_BASE_URL": served.klipit_url,
            "CLIPUS_BASE_URL": served.clipus_url,
            "KLIPIT_API_KEY": "klipit_sk_sandbox",
            "CLIPUS_API_KEY": "sk_live_sandbox",
            "CLIPMART_MINUTE_SECONDS": "0",
            "CLIPMART_NOW": NOW,
        },
    )
    shutil.copytree(prepared_state, clipmart.data_dir / "state")
    clipmart("track", "klipit", *JOBS)
    clipmart("track", "clipus", *CAMPAIGNS)
    return clipmart


def try_examples(served: Sandbox, store: Clipmart, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(ODD_ANSWERS)
    def holds(odd: tuple[Fault, ...]) -> None:
        check(served, store, odd)

    holds()


@pytest.mark.soak
def test_answers_as_large_as_may_be_take_bounded_memory(
    sandbox: Sandbox, prepared: Clipmart
) -> None:
    """Twenty answers of 8 MiB of empty records, and twenty beyond it: below 500 MiB in all."""
    jobs = [f"job_{number:02}" for number in range(40)]
    empty = b'{"clips": [' + b"{}," * (8 * 2**20 // 3 - 8) + b"{}]}"
    for number, job in enumerate(jobs):
        sandbox.add_job(job, clips=1)
        body = empty if number % 2 else empty + b" " * 2**20
        sandbox.faults.plan([Fault("answer", f"/jobs/{job}/clips", times=None, body=body)])
    prepared("track", "klipit", *jobs)

    process = prepared.start("sync", "--json")
    out, err = process.stdout, process.stderr
    assert out is not None and err is not None
    out.read(), err.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)

    assert process.returncode == 1
    assert used.ru_maxrss < 500 * 1024  # KiB
    out.close(), err.close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sources.shared.http.BACKOFF_SECONDS", 0.0)


def test_seventy_odd_answers_leave_a_store_that_one_clean_sync_makes_true(
    served: Sandbox, store: Clipmart
) -> None:
    """Any shape of JSON, any header; publishing always works."""
    try_examples(served, store, 2)


@pytest.mark.soak
def test_two_thousand_odd_answers_leave_a_store_that_one_clean_sync_makes_true(
    served: Sandbox, store: Clipmart
) -> None:
    try_examples(served, store, 60)
