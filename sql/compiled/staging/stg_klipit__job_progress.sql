-- grain: job_id
-- reads: klipit.clip_reads, klipit.job_observations, klipit.jobs, klipit.submissions, staging.stg_klipit__jobs
CREATE VIEW staging.stg_klipit__job_progress AS
WITH last_seen AS (
  SELECT
    job_observations.job_id AS job_id,
    ARG_MAX(job_observations.status, job_observations.observed_at) AS status
  FROM klipit.job_observations AS job_observations
  GROUP BY
    job_observations.job_id
), known AS (
  SELECT
    submissions.job_id AS job_id,
    MIN(submissions.recorded_at) AS first_known_at,
    BOOL_AND(NOT submissions.untracked_at IS NULL) AS untracked
  FROM klipit.submissions AS submissions
  GROUP BY
    submissions.job_id
), progress AS (
  SELECT
    jobs.job_id AS job_id,
    jobs.outcome AS outcome,
    COALESCE(jobs.created_at, known.first_known_at) AS began_at,
    COALESCE(
      landed.clip_count = 0
      OR reads.observed_at >= CASE
        WHEN landed.completed_at <= COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP)
        THEN landed.completed_at
        ELSE landed.observed_at
      END,
      FALSE
    ) AS clips_read,
    COALESCE(last_seen.status = 'not_found', FALSE) AS gone,
    COALESCE(known.untracked, FALSE) AS untracked
  FROM staging.stg_klipit__jobs AS jobs
  INNER JOIN klipit.jobs AS landed
    ON jobs.job_id = landed.id
  LEFT JOIN klipit.clip_reads AS reads
    ON jobs.job_id = reads.job_id
  LEFT JOIN last_seen AS last_seen
    ON jobs.job_id = last_seen.job_id
  LEFT JOIN known AS known
    ON jobs.job_id = known.job_id
)
SELECT
  CAST(progress.job_id AS TEXT) AS job_id,
  CAST(progress.outcome AS TEXT) AS outcome,
  CAST(progress.clips_read AS BOOLEAN) AS clips_read,
  CAST(progress.gone AS BOOLEAN) AS gone,
  CAST((
    (
      progress.clips_read AND progress.outcome = 'finished'
    )
    OR progress.gone
    OR progress.outcome = 'failed'
  ) AS BOOLEAN) AS settled,
  CAST(COALESCE(
    progress.began_at + INTERVAL '2' HOURS <= COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP)
    AND progress.outcome = 'running'
    AND NOT progress.gone
    AND NOT progress.untracked,
    FALSE
  ) AS BOOLEAN) AS stuck
FROM progress AS progress;

COMMENT ON VIEW staging.stg_klipit__job_progress IS 'How far each job has come and whether anything more is worth asking for, at the time of reading.';
COMMENT ON COLUMN staging.stg_klipit__job_progress.job_id IS 'Klipit job id';
COMMENT ON COLUMN staging.stg_klipit__job_progress.outcome IS 'finished, failed or running';
COMMENT ON COLUMN staging.stg_klipit__job_progress.clips_read IS 'Its clips were read since it was done, or it has none';
COMMENT ON COLUMN staging.stg_klipit__job_progress.gone IS 'The API no longer knows it: its last observation is not_found';
COMMENT ON COLUMN staging.stg_klipit__job_progress.settled IS 'Nothing more is worth asking for';
COMMENT ON COLUMN staging.stg_klipit__job_progress.stuck IS 'Unfinished 2 hours after it was created (or first known, if that is not reported), and tracked';

-- audit: belongs_to
SELECT
  child.job_id AS without_parent
FROM staging.stg_klipit__job_progress AS child
ANTI JOIN klipit.jobs AS parent
  ON parent.id = child.job_id;
