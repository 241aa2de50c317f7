"""The page stays small and quick, however much was landed."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.settings import Settings
from pipelines.warehouse.publish import publish
from tests.support.clipmart import command_line
from tests.support.page_data import NOW

JOBS, CLIPS_A_JOB = 100_000, 10
LANDED = f"""
SET TimeZone = 'UTC';
CREATE SCHEMA klipit;
CREATE TABLE klipit._dlt_loads AS SELECT '1' AS load_id, 0::BIGINT AS status;
CREATE TABLE klipit.jobs AS
SELECT 'job_' || n AS id, CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'complete' END AS status,
  3600.0::DOUBLE AS duration_seconds, day AS created_at, day AS completed_at, day AS observed_at,
  '1' AS _dlt_load_id, n::VARCHAR AS _dlt_id
FROM (SELECT n, TIMESTAMPTZ '{NOW - timedelta(days=1)}' - TO_MINUTES(n * 52) AS day
      FROM RANGE({JOBS}) AS numbers(n));
CREATE TABLE klipit.clips AS
SELECT id || '_' || clip AS id, id AS job_id, 'type_' || (HASH(id, clip) % 60) AS moment_type,
  (HASH(clip, id) % 1000 / 10)::DOUBLE AS shareability_score,
  'Nobody expected this' AS hook_suggestion,
  (clip * 300)::DOUBLE AS start_seconds, (clip * 300 + 45)::DOUBLE AS end_seconds, observed_at,
  '1' AS _dlt_load_id, id || clip AS _dlt_id
FROM klipit.jobs, RANGE({CLIPS_A_JOB}) AS numbers(clip) WHERE status = 'complete';
CREATE TABLE klipit.submissions AS
SELECT 'import-' || id AS submission_id, 'import' AS origin, 'known' AS state, id AS job_id,
  'Show ' || (HASH(id) % 400) AS show_name, 'Guest ' || (HASH(id) % 5000) AS guest_name,
  observed_at AS recorded_at, '1' AS _dlt_load_id, id AS _dlt_id
FROM klipit.jobs;
"""


@pytest.mark.soak
def test_a_million_clips_make_a_small_page_quickly(tmp_path: Path) -> None:
    """Of 400 shows and 60 moment types in ten years: below 2 MB, and in under 5 s."""
    settings = Settings(data_dir=tmp_path / "data", pinned_now=NOW)
    settings.state_dir.mkdir(mode=0o700, parents=True)
    with duckdb.connect(str(settings.landing)) as con:
        con.execute(LANDED)
    publish(settings)
    clipmart = command_line(settings, tmp_path)
    began = time.monotonic()
    assert clipmart("report", "--html", "page.html").code == 0
    seconds = time.monotonic() - began
    page = (tmp_path / "page.html").read_text()
    assert ">980,000</dd>" in page
    assert "9 of 400 shows" in page and "12 of 60 types" in page
    assert len(page.encode()) < 2_000_000
    assert seconds < 5
