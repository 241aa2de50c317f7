"""What a build refuses, what it only counts, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.warehouse.build import build
from pipelines.warehouse.errors import AuditFailed, BuildFailed
from pipelines.warehouse.read import attach
from tests.support.landing_data import Rows, at, write_landing

JOB = {"id": "job_1", "status": "complete", "created_at": at("2026-04-08 12:00")}
CLIP = {"id": "clip_1", "job_id": "job_1", "shareability_score": 94.0}


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        (
            {
                "klipit.jobs": [JOB, JOB],
                "clipus.campaigns": [{"campaign_id": None}],
                "klipit.account_snapshots": [
                    {"observed_at": at("2026-04-08 12:00"), "balance": balance}
                    for balance in (1.0, 2.0)
                ],
            },
            [
                "is_key on staging.stg_klipit__jobs (1 row",
                "is_key on staging.stg_clipus__campaigns (1 row",
                "is_key on staging.stg_klipit__balances (1 row",
            ],
        ),
        (
            {
                "klipit.clips": [CLIP, {**CLIP, "id": "clip_2"}],
                "clipus.videos": [{"campaign_id": "c", "id": "v1", "status": "ready"}],
            },
            [
                "belongs_to on staging.stg_klipit__clips (2 rows",
                "belongs_to on staging.stg_clipus__videos (1 row",
            ],
        ),
    ],
    ids=["keys", "references"],
)
def test_a_failed_blocking_audit_is_named_and_leaves_no_file(
    tables: Rows, named: list[str], tmp_path: Path
) -> None:
    """Keys and references are clipmart's own work: if they are broken, nothing is built."""
    target = tmp_path / "warehouse.duckdb"
    landing = write_landing(tmp_path / "landing.duckdb", tables)
    before = landing.read_bytes()
    with pytest.raises(AuditFailed) as failure:
        build(landing, target)
    message = str(failure.value)
    assert [audit for audit in named if audit not in message] == [], message
    assert "Nothing was published" in message
    assert failure.value.exit_code == 1
    assert list(tmp_path.iterdir()) == [landing]
    assert landing.read_bytes() == before


def test_odd_values_of_the_vendors_stop_nothing(tmp_path: Path) -> None:
    """They are counted in staging.audit_findings instead."""
    odd: dict[str, Any] = {
        "shareability_score": -7.0,
        "start_seconds": 90.0,
        "end_seconds": 10.0,
        "duration_seconds": 5.0,
    }
    landing = write_landing(
        tmp_path / "landing.duckdb",
        {
            "klipit.jobs": [
                {**JOB, "completed_at": at("2026-04-07 12:00"), "duration_seconds": -1.0}
            ],
            "klipit.clips": [{**CLIP, **odd}],
            "clipus.campaigns": [{"campaign_id": "c", "languages": "en", "status": "ready"}],
            "clipus.videos": [
                {"campaign_id": "c", "id": "v1", "status": "ready", "duration_seconds": 0.0}
            ],
        },
    )
    target = tmp_path / "warehouse.duckdb"
    build(landing, target)
    with attach(target) as con:
        findings = con.execute(
            "SELECT finding FROM staging.audit_findings WHERE rows = 1 ORDER BY finding"
        ).fetchall()
        assert [finding for (finding,) in findings] == [
            "campaign without created_at",
            "clip length that is not end less start",
            "clip that does not end after it starts",
            "clip without a moment type",
            "episode length below 0",
            "job completed before it was created",
            "ready video without a link",
            "score outside 0 to 100",
            "video length not above 0",
        ]
        assert con.execute("SELECT languages FROM reports.video_readiness").fetchall() == [(None,)]


def test_a_landing_column_of_another_type_is_named_at_once(tmp_path: Path) -> None:
    """Before any model is built."""
    landing = tmp_path / "landing.duckdb"
    with duckdb.connect(str(landing)) as con:
        con.execute(
            "CREATE SCHEMA klipit; CREATE TABLE klipit.jobs (id VARCHAR, clip_count DOUBLE)"
        )
    target = tmp_path / "warehouse.duckdb"
    with pytest.raises(BuildFailed, match=r"klipit\.jobs\.clip_count is landed as DOUBLE.*BIGINT"):
        build(landing, target)
    assert not target.exists()


def test_a_second_build_shows_the_second_numbers(tmp_path: Path) -> None:
    """On the same day, in the same process, over the same file."""
    target = tmp_path / "warehouse.duckdb"
    for score in (60.0, 90.0):
        landing = tmp_path / f"landing{score}.duckdb"
        clip = {**CLIP, "shareability_score": score}
        write_landing(landing, {"klipit.jobs": [JOB], "klipit.clips": [clip]})
        build(landing, target)
        with attach(target) as con:
            assert con.execute("SELECT best_score FROM reports.shareability").fetchall() == [
                (score,)
            ]
