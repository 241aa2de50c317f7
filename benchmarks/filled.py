"""`python -m benchmarks.filled DATA JOBS`: fill a data folder with two years of settled jobs.

The folder is one that a sync has begun, so every table is as dlt and the ledger made it; only rows
are added, by SQL, as tracking, submitting and syncing would have written them. It runs in a process
of its own, since a child's peak memory is at least its parent's.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import duckdb

from .measure import NOW

ROWS = 50_000

# One in five was submitted here, the others are imports. One in fifty failed; the others have 6
# clips on average. Loads are of 500 jobs, as chunks are.
_PAST = f"""
CREATE TEMP TABLE past AS
SELECT
  *,
  CASE WHEN submitted THEN md5('intent' || n) END AS intent,
  CASE WHEN failed THEN 0 ELSE (1 + hash(n, 'clips') % 11)::BIGINT END AS clips,
  'Show ' || 1 + hash(n, 'show') % 200 AS show_name,
  'Guest ' || 1 + hash(n, 'guest') % 20000 AS guest_name,
  'https://feeds.example/' || 1 + hash(n, 'show') % 200 || '/episode-' || n || '.mp3' AS source_url,
  started + INTERVAL 252 SECOND AS ended,
  (first_load.at - (?::BIGINT - n) // 500 - 1)::VARCHAR || '.5' AS load
FROM (
  SELECT
    n,
    'job_' || left(md5('job' || n), 16) AS id,
    n % 5 = 0 AS submitted,
    hash(n, 'failed') % 50 = 0 AS failed,
    TIMESTAMPTZ '{NOW}' - INTERVAL 30 DAY - to_seconds(63 * (?::BIGINT - n)) AS started
  FROM range(?::BIGINT) AS job (n)
), (
  SELECT min(load_id)::DOUBLE::BIGINT AS at FROM klipit._dlt_loads
) AS first_load
ORDER BY n;
"""  # noqa: S608 - a constant of our own
_EVENTS = """
SELECT seq, event_id, 'klipit' AS service, kind, subject,
  replace(replace(body::VARCHAR, '":', '": '), ',"', ', "') AS body,
  strftime(recorded_at, '%Y-%m-%dT%H:%M:%S+00:00') AS recorded_at
FROM (
  SELECT ? - 3 * (SELECT count(*) FROM past) + 3 * n AS seq, 'import' AS kind, id AS subject,
    md5('event' || n) AS event_id, started - INTERVAL 5 SECOND AS recorded_at,
    {'job_id': id, 'show_name': show_name, 'guest_name': guest_name,
     'platforms': ['tiktok', 'reels'], 'source_url': source_url}::JSON AS body
  FROM past WHERE NOT submitted
  UNION ALL
  SELECT ? - 3 * (SELECT count(*) FROM past) + 3 * n, 'intent', intent, 'intent ' || intent,
    started - INTERVAL 5 SECOND,
    {'intent_id': intent, 'show_name': show_name, 'guest_name': guest_name,
     'platforms': ['tiktok', 'reels'], 'source_url': source_url}::JSON
  FROM past WHERE submitted
  UNION ALL
  SELECT ? - 3 * (SELECT count(*) FROM past) + 3 * n + 1, 'answer', intent, 'answer ' || intent,
    started, {'intent_id': intent, 'outcome': 'known', 'job_id': id}::JSON
  FROM past WHERE submitted
) ORDER BY seq
"""
_LANDED = """
BEGIN;
INSERT INTO klipit._dlt_loads BY NAME
  SELECT DISTINCT load AS load_id, 'klipit' AS schema_name, 0 AS status,
    to_timestamp(load::DOUBLE) AS inserted_at, l.schema_version_hash
  FROM past, (FROM klipit._dlt_loads LIMIT 1) AS l ORDER BY load;
INSERT INTO klipit.submissions BY NAME
  SELECT COALESCE(intent, id) AS submission_id, CASE WHEN submitted THEN 'submit' ELSE 'import' END
      AS origin, 'known' AS state, id AS job_id, source_url, show_name, guest_name,
    '["tiktok", "reels"]' AS platforms,
    started - INTERVAL 5 SECOND AS recorded_at,
    ? - 3 * (SELECT count(*) FROM past) + 3 * n + submitted::INTEGER AS _clipmart_seq,
    load AS _dlt_load_id
  FROM past ORDER BY n;
INSERT INTO klipit.jobs BY NAME
  SELECT id, CASE WHEN failed THEN 'failed' ELSE 'complete' END AS status,
    clips AS clip_count, 1200 + (hash(n) % 36000) / 10.0 AS duration_seconds,
    started AS created_at, CASE WHEN NOT failed THEN ended END AS completed_at,
    CASE WHEN failed THEN 'The file has no sound.' END AS error,
    ended + INTERVAL 1 MINUTE AS observed_at, load AS _dlt_load_id
  FROM past ORDER BY n;
INSERT INTO klipit.clips BY NAME
  SELECT 'clip_' || left(md5(id || c), 26) AS id, id AS job_id,
    ['bold_prediction', 'contrarian_take', 'emotional_story', 'how_to'][
      (1 + hash(n, c) % 4)::BIGINT
    ] AS moment_type,
    (hash(id, c) % 1000) / 10.0 AS shareability_score,
    'Names a number that listeners will argue about, and says why (' || left(md5(id), 16) || ').'
      AS reason,
    'What nobody says about ' || left(md5(id || c), 12) AS hook_suggestion,
    c * 300.5 AS start_seconds, c * 300.5 + 42 AS end_seconds, 42.0 AS duration_seconds,
    'https://media.example/' || id || '/' || c || '.mp4' AS media_url,
    ended + INTERVAL 2 MINUTE AS observed_at, load AS _dlt_load_id
  FROM past, range(clips) AS clip (c) ORDER BY n, c;
INSERT INTO klipit.clip_reads BY NAME
  SELECT id AS job_id, ended + INTERVAL 2 MINUTE AS observed_at, clips, load AS _dlt_load_id
  FROM past WHERE NOT failed ORDER BY n;
INSERT INTO klipit.job_observations BY NAME
  SELECT sha256(id) AS observation_id, id AS job_id,
    CASE WHEN failed THEN 'failed' ELSE 'complete' END AS status,
    ended + INTERVAL 1 MINUTE AS observed_at, load AS _dlt_load_id
  FROM past ORDER BY n;
COMMIT;
CHECKPOINT;
"""


def fill(data: Path, jobs: int) -> None:
    """Add so many settled jobs with their events and clips, all older than what is there."""
    with (
        closing(sqlite3.connect(data / "state" / "ledger.sqlite")) as ledger,
        duckdb.connect(str(data / "state" / "landing.duckdb")) as landing,
    ):
        landing.execute("SET TimeZone = 'UTC'; SET memory_limit = '2GB'")
        landing.execute(_PAST, [jobs, jobs, jobs])
        # Numbered below what has landed: to the cursor they have landed too.
        ((first,),) = ledger.execute("SELECT min(seq) FROM events")
        events = landing.execute(_EVENTS, [first, first, first])
        with ledger:
            while rows := events.fetchmany(ROWS):
                ledger.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for statement in _LANDED.split(";"):
            landing.execute(statement, [first] if "?" in statement else None)


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
