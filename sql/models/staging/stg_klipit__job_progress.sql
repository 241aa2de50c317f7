/* How far each job has come and whether anything more is worth asking for, at the time of reading. */
MODEL (
  name staging.stg_klipit__job_progress,
  kind VIEW,
  grain job_id,
  references (job_id),
  audits (
    belongs_to(key := job_id, parent := klipit.jobs, parent_key := id)
  )
);

WITH progress AS (
  SELECT
    job_id,
    outcome,
    gone,
    untracked,
    COALESCE(created_at, known_at) AS began_at,
    /* Read after it was done; where that instant is absent or ahead, not before the job was seen so. */
    COALESCE(
      clip_count = 0
      OR clips_read_at >= CASE
        WHEN done_at <= COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP)
        THEN done_at
        ELSE observed_at
      END,
      FALSE
    ) AS clips_read
  FROM staging.stg_klipit__jobs
)
SELECT
  job_id::TEXT        AS job_id,     /* Klipit job id */
  outcome::TEXT       AS outcome,    /* finished, failed or running */
  clips_read::BOOLEAN AS clips_read, /* Its clips were read since it was done, or it has none */
  gone::BOOLEAN       AS gone,       /* The API no longer knows it: its last observation is not_found */
  (gone OR outcome = 'failed' OR (outcome = 'finished' AND clips_read))::BOOLEAN
                      AS settled,    /* Nothing more is worth asking for */
  COALESCE(
    NOT gone
    AND NOT untracked
    AND outcome = 'running'
    AND began_at + INTERVAL '2 hours'
      <= COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP),
    FALSE
  )::BOOLEAN
                      AS stuck       /* Unfinished 2 hours after it was created (or first known, if that is
                                        not reported), and tracked */
FROM progress
