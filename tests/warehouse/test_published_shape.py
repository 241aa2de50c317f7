"""What every warehouse file has: all tables, columns and comments, nothing of dlt or SQLMesh."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from pipelines.warehouse.read import attach
from tests.support.landing_data import DECLARED

REPORT_COLUMNS = {
    "moment_types": "moment_type clips share_of_clips jobs mean_score median_score p90_score "
    "best_score mean_duration_seconds lift",
    "shareability": "job_id show_name guest_name created_at clips mean_score median_score "
    "best_score best_clip_id best_hook clips_80_plus episode source_seconds",
    "video_readiness": "campaign_id title url status created_at languages videos ready failed "
    "pending published readiness first_ready_at hours_to_ready settled stuck",
    "credit_usage": "day balance_open balance_close credits_used credits_added jobs_submitted "
    "jobs_completed source_minutes clips credits_per_job credits_per_clip burn_7d days_left",
    "top_clips": "rank clip_id job_id show_name guest_name moment_type score hook_suggestion "
    "start_seconds end_seconds duration_seconds media_url created_at",
    "shareability_weekly": "week show_name jobs clips mean_score median_score best_score "
    "clips_80_plus scored_clips",
    "shareability_monthly": "month show_name jobs clips mean_score median_score best_score "
    "clips_80_plus scored_clips",
    "video_readiness_by_platform": "platform videos ready failed pending published readiness "
    "failed_share",
    "video_quota": "month campaigns videos quota quota_seen_at",
    "job_turnaround": "job_id show_name status created_at completed_at turnaround_seconds "
    "source_seconds stuck episode",
    "freshness": "table_name row_count last_observed_at hours_old",
    "clips": "clip_id job_id episode show_name guest_name moment_type score reason "
    "hook_suggestion start_seconds end_seconds duration_seconds position overlaps_better "
    "media_url created_at",
    "to_post": "rank clip_id job_id episode show_name guest_name moment_type score why "
    "above_show_median reason hook_suggestion start_seconds end_seconds duration_seconds "
    "media_url created_at",
    "guests": "show_name guest_name jobs clips mean_score median_score best_score clips_80_plus "
    "lift enough_episodes",
    "show_costs": "show_name jobs clips clips_80_plus credits credits_per_clip "
    "credits_per_clip_80_plus",
    "failures": "service kind id video_id name episode status error created_at seen_at",
    "last_7_days": "metric value before change",
}
TYPES = {  # of report columns whose name does not imply the type
    "day": "DATE",
    "week": "DATE",
    "month": "DATE",
    "languages": "VARCHAR[]",
    "settled": "BOOLEAN",
    "stuck": "BOOLEAN",
    "overlaps_better": "BOOLEAN",
    "enough_episodes": "BOOLEAN",
}
COUNTS = (
    "clips jobs clips_80_plus videos ready failed pending published jobs_submitted "
    "jobs_completed rank campaigns quota row_count scored_clips"
)
TEXTS = (
    "moment_type show_name guest_name best_hook title url status hook_suggestion media_url "
    "platform table_name episode reason why service kind id name error metric"
)


def expected_type(column: str) -> str:
    if column in TYPES:
        return TYPES[column]
    if column in COUNTS.split():
        return "BIGINT"
    if column in TEXTS.split() or column.endswith("_id"):
        return "VARCHAR"
    return "TIMESTAMP WITH TIME ZONE" if column.endswith("_at") else "DOUBLE"


@pytest.mark.parametrize("which", ["warehouse", "empty_warehouse"])
def test_every_report_and_landing_table_is_there(
    which: str, request: pytest.FixtureRequest
) -> None:
    """Columns by name, order and type, even if nothing has landed."""
    with attach(request.getfixturevalue(which)) as con:
        for name, columns in REPORT_COLUMNS.items():
            got = con.execute(f"DESCRIBE reports.{name}").fetchall()
            assert [(c[0], c[1]) for c in got] == [(c, expected_type(c)) for c in columns.split()]
        for table, types in DECLARED.items():
            got = con.execute(f"DESCRIBE {table}").fetchall()
            wanted = {name: str(duckdb.sqltype(kind)) for name, kind in types.items()}
            assert {c[0]: c[1] for c in got} == wanted


def test_an_empty_store_answers_every_report(empty_warehouse: Path) -> None:
    """No rows, but for freshness with one for each empty table and last_7_days with its metrics."""
    with attach(empty_warehouse) as con:
        for name in REPORT_COLUMNS:
            rows = con.execute(f"FROM reports.{name}").fetchall()
            if name == "freshness":
                assert [row[1:] for row in rows] == [(0, None, None)] * len(DECLARED)
            elif name == "last_7_days":
                counts = {row[1:] for row in rows if row[0] not in ("mean_score", "credits_used")}
                assert (len(rows), counts) == (9, {(0, 0, 0)})
            else:
                assert rows == []


@pytest.mark.parametrize("which", ["warehouse", "empty_warehouse"])
def test_everything_is_commented(which: str, request: pytest.FixtureRequest) -> None:
    """Every table, every view and every column of both."""
    with attach(request.getfixturevalue(which)) as con:
        bare = con.execute(
            """
            SELECT schema_name, table_name, '' FROM duckdb_tables()
            WHERE database_name = 'warehouse' AND COALESCE(comment, '') = ''
            UNION ALL
            SELECT schema_name, view_name, '' FROM duckdb_views()
            WHERE database_name = 'warehouse' AND NOT internal AND COALESCE(comment, '') = ''
            UNION ALL
            SELECT schema_name, table_name, column_name FROM duckdb_columns()
            WHERE database_name = 'warehouse' AND NOT internal AND COALESCE(comment, '') = ''
            """
        ).fetchall()
        assert bare == []
        ((commented,),) = con.execute(
            "SELECT COUNT(*) FROM duckdb_columns() WHERE database_name = 'warehouse'"
            " AND NOT internal AND comment <> ''"
        ).fetchall()
        assert commented > 250


def test_only_our_schemas_and_nothing_of_dlts(con: duckdb.DuckDBPyConnection) -> None:
    """dlt's tables and columns stay in the landing file, and SQLMesh leaves none."""
    schemas = con.execute(
        "SELECT DISTINCT table_schema FROM information_schema.tables "
        "WHERE table_catalog = 'warehouse' ORDER BY ALL"
    ).fetchall()
    assert schemas == [("clipmart",), ("clipus",), ("klipit",), ("reports",), ("staging",)]
    names = con.execute(
        "SELECT table_name FROM duckdb_columns() WHERE database_name = 'warehouse' "
        "AND (STARTS_WITH(table_name, '_') OR STARTS_WITH(column_name, '_'))"
    ).fetchall()
    assert names == []


@pytest.mark.parametrize("name", ["renamed.duckdb", "May 'report' (final).db", "a-b.c.duckdb"])
def test_a_renamed_and_moved_file_answers_from_every_view(
    warehouse: Path, tmp_path: Path, name: str
) -> None:
    """Opened directly or attached: it refers to nothing outside itself."""
    copy = tmp_path / name
    shutil.copyfile(warehouse, copy)

    def answers(con: duckdb.DuckDBPyConnection, prefix: str = "") -> dict[str, int]:
        views = con.execute(
            "SELECT schema_name || '.' || view_name FROM duckdb_views() "
            "WHERE NOT internal AND schema_name IN ('staging', 'reports')"
        ).fetchall()
        return {
            view: con.execute(f"SELECT COUNT(*) FROM {prefix}{view}").fetchall()[0][0]
            for (view,) in views
        }

    with duckdb.connect(str(copy), read_only=True) as direct:
        opened = answers(direct)
    with duckdb.connect() as other:
        path = str(copy).replace("'", "''")
        other.execute(f"ATTACH '{path}' AS somewhere (READ_ONLY)")
        attached = answers(other, "somewhere.")
    assert opened == attached
    assert {"reports.video_readiness", "reports.job_turnaround", "reports.freshness"} <= set(opened)
