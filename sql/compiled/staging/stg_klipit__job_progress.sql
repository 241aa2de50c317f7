-- grain: job_id
-- reads: staging.stg_klipit__jobs
CREATE VIEW staging.stg_klipit__job_progress AS
WITH progress AS (
  SELECT
    stg_klipit__jobs.job_id AS job_id,
    stg_klipit__jobs.outcome AS outcome,
    stg_klipit__jobs.gone AS gone,
    stg_klipit__jobs.untracked AS untracked,
    COALESCE(stg_klipit__jobs.created_at, stg_klipit__jobs.known_at) AS began_at,
    COALESCE(
      stg_klipit__jobs.clip_count = 0
      OR stg_klipit__jobs.clips_read_at >= CASE
        WHEN stg_klipit__jobs.done_at <= COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP)
        THEN stg_klipit__jobs.done_at
        ELSE stg_klipit__jobs.observed_at
      END,
      FALSE
    ) AS clips_read
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
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
