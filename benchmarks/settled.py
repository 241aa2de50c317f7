"""Large stores: a sync with nothing to do in a store of 1,000 and of 100,000 settled jobs.

Each job has six clips. And `large`: ten new jobs in a store of 1,000,000 clips.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path

from .measure import (
    NOW,
    Result,
    Run,
    Service,
    Target,
    alternate,
    clipmart,
    job_ids,
    measured,
    ratio,
    served,
    typical,
)

IMPORTS = "import dlt, duckdb, httpx"
CLIPS = 6

# Rows as a sync lands them, in a completed load.
_LANDED = f"""
CREATE TEMP TABLE past AS
SELECT
  job_id AS id,
  TIMESTAMPTZ '{NOW}' - INTERVAL 30 DAY - to_minutes((hash(job_id) % 500_000)::INTEGER) AS created,
  (SELECT max(load_id) FROM klipit._dlt_loads WHERE status = 0) AS load
FROM klipit.submissions;
INSERT INTO klipit.jobs BY NAME
  SELECT id, 'complete' AS status, {CLIPS} AS clip_count, 3842.0 AS duration_seconds,
    created AS created_at, created + INTERVAL 252 SECOND AS completed_at,
    created + INTERVAL 5 MINUTE AS observed_at, load AS _dlt_load_id
  FROM past;
INSERT INTO klipit.clips BY NAME
  SELECT 'clip_' || left(md5(id || n), 26) AS id, id AS job_id,
    ['bold_prediction', 'hot_take', 'personal_story', 'how_to'][1 + n % 4] AS moment_type,
    (hash(id, n) % 1000) / 10.0 AS shareability_score,
    'Names a number that listeners will argue about, and says why (' || md5(id) || ').' AS reason,
    'What nobody tells you about ' || left(md5(id || n), 12) AS hook_suggestion,
    n * 300.5 AS start_seconds, n * 300.5 + 42 AS end_seconds, 42.0 AS duration_seconds,
    'https://media.example/' || id || '/' || n || '.mp4' AS media_url,
    created + INTERVAL 6 MINUTE AS observed_at, load AS _dlt_load_id
  FROM past, range({CLIPS}) AS clip (n);
INSERT INTO klipit.clip_reads BY NAME
  SELECT id AS job_id, created + INTERVAL 6 MINUTE AS observed_at, {CLIPS} AS clips,
    load AS _dlt_load_id
  FROM past;
INSERT INTO klipit.job_observations BY NAME
  SELECT sha256(id) AS observation_id, id AS job_id, 'complete' AS status,
    created + INTERVAL 5 MINUTE AS observed_at, load AS _dlt_load_id
  FROM past;
"""  # noqa: S608 - constants of our own


def settled(rounds: int, *, quick: bool = False) -> Result:
    """Measure a sync with nothing to do, in a small store and in a large one."""
    few, many = 1_000, 10_000 if quick else 100_000
    with served(0) as service, tempfile.TemporaryDirectory() as folder:
        data = {jobs: Path(folder) / str(jobs) / "data" for jobs in (few, many)}
        for jobs, place in data.items():
            _create_store(place, service, jobs)
        runs = alternate(
            {
                f"sync, {few:,} settled": lambda: clipmart(data[few], service, 0, "sync"),
                f"sync, {many:,} settled": lambda: clipmart(data[many], service, 0, "sync"),
                IMPORTS: lambda: measured([sys.executable, "-c", IMPORTS]),
            },
            # A run takes a second: with few of them, one slow moment would decide the ratio.
            rounds if quick else 3 * rounds,
        )
    small, large, imports = runs.values()
    about_jobs = typical(large, lambda run: run.job_requests)
    return Result(
        f"No-op sync with {many:,} settled jobs",
        runs,
        [
            Target(f"time / that with {few:,}", ratio(large, small), 1.25, "times"),
            Target(f"time / `{IMPORTS}`", ratio(large, imports), 1.6, "times"),
            Target("requests about settled jobs", about_jobs, 0, ""),
            Target("peak memory", typical(large, lambda run: run.peak_mib), 250, "MiB"),
        ],
    )


def large(rounds: int, *, quick: bool = False) -> Result:
    """Measure a sync of ten new jobs in a store of a million clips."""
    jobs = (100_000 if quick else 1_000_000) // CLIPS + 1
    with served(0) as service, tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        _create_store(data, service, jobs)
        batches = count()

        def ten_more() -> Run:
            ids = job_ids(Path(folder), 10, f"new{next(batches)}")
            service.add_jobs(ids)
            clipmart(data, service, 0, "track", "klipit", "--from", str(ids))
            return clipmart(data, service, 0, "sync")

        runs = alternate({"sync of 10 new jobs": ten_more}, rounds)
    (syncs,) = runs.values()
    return Result(
        f"10 new jobs in a store of {jobs * CLIPS:,} clips",
        runs,
        [Target("time, build and publish included", typical(syncs), 10, "s")],
    )


def _create_store(data: Path, service: Service, jobs: int) -> None:
    """Create a data folder in which every job is settled and published.

    Ids are tracked as usual; only the API's answers are written by SQL.
    """
    clipmart(data, service, 0, "track", "klipit", "--from", str(job_ids(data.parent, jobs, "past")))
    clipmart(data, service, 0, "sync", "clipus")
    land = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); con.execute(sys.argv[2])"
    landing = data / "state" / "landing.duckdb"
    subprocess.run(
        [sys.executable, "-c", land, str(landing), _LANDED], stdout=subprocess.DEVNULL, check=True
    )
    clipmart(data, service, 0, "sync")
