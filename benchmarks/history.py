"""Data folders with a long past: every job complete, its six clips read, nothing due."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .measure import NOW, Service, clipmart, job_ids

CLIPS = 6

# Rows as a sync lands them, in a completed load.
_LANDED = f"""
CREATE TEMP TABLE past AS
SELECT
  job_id AS id,
  TIMESTAMPTZ '{NOW}' - INTERVAL 30 DAY - to_minutes((hash(job_id) % 500_000)::INTEGER) AS made,
  (SELECT max(load_id) FROM klipit._dlt_loads WHERE status = 0) AS load
FROM klipit.submissions;
INSERT INTO klipit.jobs BY NAME
  SELECT id, 'complete' AS status, {CLIPS} AS clip_count, 3842.0 AS duration_seconds,
    made AS created_at, made + INTERVAL 252 SECOND AS completed_at,
    made + INTERVAL 5 MINUTE AS observed_at, load AS _dlt_load_id
  FROM past;
INSERT INTO klipit.clips BY NAME
  SELECT 'clip_' || left(md5(id || n), 26) AS id, id AS job_id,
    ['bold_prediction', 'hot_take', 'personal_story', 'how_to'][1 + n % 4] AS moment_type,
    (hash(id, n) % 1000) / 10.0 AS shareability_score,
    'Names a number that listeners will argue about, and says why (' || md5(id) || ').' AS reason,
    'What nobody tells you about ' || left(md5(id || n), 12) AS hook_suggestion,
    n * 300.5 AS start_seconds, n * 300.5 + 42 AS end_seconds, 42.0 AS duration_seconds,
    'https://media.example/' || id || '/' || n || '.mp4' AS media_url,
    made + INTERVAL 6 MINUTE AS observed_at, load AS _dlt_load_id
  FROM past, range({CLIPS}) AS clip (n);
INSERT INTO klipit.clip_reads BY NAME
  SELECT id AS job_id, made + INTERVAL 6 MINUTE AS observed_at, {CLIPS} AS clips,
    load AS _dlt_load_id
  FROM past;
INSERT INTO klipit.job_observations BY NAME
  SELECT sha256(id) AS observation_id, id AS job_id, 'complete' AS status,
    made + INTERVAL 5 MINUTE AS observed_at, load AS _dlt_load_id
  FROM past;
"""  # noqa: S608 - constants of our own


def make(data: Path, service: Service, jobs: int) -> None:
    """Make a data folder whose every job is settled, published and up to date.

    Ids come in by `track` and land by a sync that asks nobody about them; only what the API would
    have answered is written by SQL, in a process of its own, since this one is to stay small.
    """
    clipmart(data, service, 0, "track", "klipit", "--from", str(job_ids(data.parent, jobs, "past")))
    clipmart(data, service, 0, "sync", "clipus")
    land = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); con.execute(sys.argv[2])"
    landing = data / "state" / "landing.duckdb"
    subprocess.run([sys.executable, "-c", land, str(landing), _LANDED], check=True)
    clipmart(data, service, 0, "sync")
