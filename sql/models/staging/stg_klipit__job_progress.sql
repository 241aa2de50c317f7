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

WITH last_seen AS (
  SELECT
    job_id,
    ARG_MAX(status, observed_at) AS status
  FROM klipit.job_observations
  GROUP BY job_id
), known AS (
  SELECT
    job_id,
    MIN(recorded_at) AS first_known_at,
    BOOL_AND(untracked_at IS NOT NULL) AS untracked
  FROM klipit.submissions
  GROUP BY job_id
), progress AS (
  SELECT
    jobs.job_id,
    jobs.outcome,
    COALESCE(jobs.created_at, known.first_known_at) AS began_at,
    /* Read after it was done; where that instant is absent or ahead, not before the job was seen so. */
    COALESCE(
      landed.clip_count = 0
      OR reads.observed_at >= CASE
        WHEN landed.completed_at <= COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP)
        THEN landed.completed_at
        ELSE landed.observed_at
      END,
      FALSE
    ) AS clips_read,
    COALESCE(last_seen.status = 'not_found', FALSE) AS gone,
    COALESCE(known.untracked, FALSE) AS untracked
  FROM staging.stg_klipit__jobs AS jobs
  INNER JOIN klipit.jobs AS landed
    ON landed.id = jobs.job_id
  LEFT JOIN klipit.clip_reads AS reads
    ON reads.job_id = jobs.job_id
  LEFT JOIN last_seen
    ON last_seen.job_id = jobs.job_id
  LEFT JOIN known
    ON known.job_id = jobs.job_id
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
