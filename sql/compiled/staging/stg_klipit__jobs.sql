-- grain: job_id
-- reads: klipit.clip_reads, klipit.job_observations, klipit.jobs, klipit.submissions, staging.status_words
CREATE TABLE staging.stg_klipit__jobs AS
WITH submitted AS (
  SELECT
    submissions.job_id AS job_id,
    ARG_MAX(submissions.show_name, submissions.recorded_at) AS show_name,
    ARG_MAX(submissions.guest_name, submissions.recorded_at) AS guest_name,
    ARG_MAX(submissions.description, submissions.recorded_at) AS description,
    MIN(submissions.recorded_at) AS known_at,
    BOOL_AND(NOT submissions.untracked_at IS NULL) AS untracked
  FROM klipit.submissions AS submissions
  WHERE
    NOT submissions.job_id IS NULL
  GROUP BY
    submissions.job_id
), last_seen AS (
  SELECT
    job_observations.job_id AS job_id,
    ARG_MAX(job_observations.status, job_observations.observed_at) AS status
  FROM klipit.job_observations AS job_observations
  GROUP BY
    job_observations.job_id
)
SELECT
  CAST(jobs.id AS TEXT) AS job_id,
  CAST(submitted.show_name AS TEXT) AS show_name,
  CAST(submitted.guest_name AS TEXT) AS guest_name,
  CAST(COALESCE(
    NULLIF(
      REGEXP_EXTRACT(submitted.description, '[^\s\pZ]([^\r\n\x{2028}\x{2029}]*[^\s\pZ])?'),
      ''
    ),
    CASE
      WHEN REGEXP_MATCHES(submitted.guest_name, '[^\s\pZ]')
      THEN submitted.guest_name
    END,
    jobs.id
  ) AS TEXT) AS episode,
  CAST(jobs.status AS TEXT) AS status,
  CAST(COALESCE(words.outcome, 'running') AS TEXT) AS outcome,
  CAST(CASE WHEN ABS(jobs.duration_seconds) < 1e15 THEN jobs.duration_seconds END AS DOUBLE) AS source_seconds,
  CAST(CASE
    WHEN jobs.created_at >= CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ)
    AND COALESCE(jobs.created_at <= jobs.observed_at + INTERVAL '1' DAY, TRUE)
    THEN jobs.created_at
  END AS TIMESTAMPTZ) AS created_at,
  CAST(CASE
    WHEN jobs.completed_at >= CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ)
    AND COALESCE(jobs.completed_at <= jobs.observed_at + INTERVAL '1' DAY, TRUE)
    THEN jobs.completed_at
  END AS TIMESTAMPTZ) AS completed_at,
  CAST(jobs.observed_at AS TIMESTAMPTZ) AS observed_at,
  CAST(jobs.error AS TEXT) AS error,
  CAST(jobs.completed_at AS TIMESTAMPTZ) AS done_at,
  CAST(jobs.clip_count AS BIGINT) AS clip_count,
  CAST(reads.observed_at AS TIMESTAMPTZ) AS clips_read_at,
  CAST(COALESCE(last_seen.status = 'not_found', FALSE) AS BOOLEAN) AS gone,
  CAST(submitted.known_at AS TIMESTAMPTZ) AS known_at,
  CAST(COALESCE(submitted.untracked, FALSE) AS BOOLEAN) AS untracked
FROM klipit.jobs AS jobs
LEFT JOIN submitted AS submitted
  ON jobs.id = submitted.job_id
LEFT JOIN klipit.clip_reads AS reads
  ON jobs.id = reads.job_id
LEFT JOIN last_seen AS last_seen
  ON jobs.id = last_seen.job_id
LEFT JOIN staging.status_words AS words
  ON jobs.status = words.status;

COMMENT ON TABLE staging.stg_klipit__jobs IS 'One row per job, with what its submission said of it and what tells how far it has come.';
COMMENT ON COLUMN staging.stg_klipit__jobs.job_id IS 'Klipit job id';
COMMENT ON COLUMN staging.stg_klipit__jobs.show_name IS 'Show, as submitted; NULL if not given';
COMMENT ON COLUMN staging.stg_klipit__jobs.guest_name IS 'Guest, as submitted; NULL if not given';
COMMENT ON COLUMN staging.stg_klipit__jobs.episode IS 'What to call it: the first line of its description, else the guest, else the job id';
COMMENT ON COLUMN staging.stg_klipit__jobs.status IS 'The API''s own word';
COMMENT ON COLUMN staging.stg_klipit__jobs.outcome IS 'finished, failed or running, read from status';
COMMENT ON COLUMN staging.stg_klipit__jobs.source_seconds IS 'Length of the episode in seconds; NULL until the API says';
COMMENT ON COLUMN staging.stg_klipit__jobs.created_at IS 'When the job was created (UTC instant); NULL if absent, before 2000 or over a day ahead of the answer';
COMMENT ON COLUMN staging.stg_klipit__jobs.completed_at IS 'When it was completed (UTC instant); NULL while it runs, and for dates as odd as those';
COMMENT ON COLUMN staging.stg_klipit__jobs.observed_at IS 'When the API gave this answer (UTC instant)';
COMMENT ON COLUMN staging.stg_klipit__jobs.error IS 'Why it failed, in the API''s words; NULL otherwise';
COMMENT ON COLUMN staging.stg_klipit__jobs.done_at IS 'completed_at as the API reports it, however odd';
COMMENT ON COLUMN staging.stg_klipit__jobs.clip_count IS 'Clips by the API''s count; NULL until it has one';
COMMENT ON COLUMN staging.stg_klipit__jobs.clips_read_at IS 'When its clips were last read; NULL if never';
COMMENT ON COLUMN staging.stg_klipit__jobs.gone IS 'The API no longer knows it: its last observation is not_found';
COMMENT ON COLUMN staging.stg_klipit__jobs.known_at IS 'When its id was first recorded here; NULL if it was not';
COMMENT ON COLUMN staging.stg_klipit__jobs.untracked IS '`clipmart untrack` removed its id';

-- audit: is_key
SELECT
  job_id AS job_id
FROM staging.stg_klipit__jobs AS stg_klipit__jobs
GROUP BY
  job_id
HAVING
  COUNT(*) > 1 OR job_id IS NULL;
