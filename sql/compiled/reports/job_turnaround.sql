-- grain: job_id
-- reads: staging.stg_klipit__job_progress, staging.stg_klipit__jobs
CREATE VIEW reports.job_turnaround AS
SELECT
  CAST(jobs.job_id AS TEXT) AS job_id,
  CAST(jobs.show_name AS TEXT) AS show_name,
  CAST(jobs.status AS TEXT) AS status,
  CAST(jobs.created_at AS TIMESTAMPTZ) AS created_at,
  CAST(jobs.completed_at AS TIMESTAMPTZ) AS completed_at,
  CAST((
    EPOCH(jobs.completed_at) - EPOCH(jobs.created_at)
  ) AS DOUBLE) AS turnaround_seconds,
  CAST(jobs.source_seconds AS DOUBLE) AS source_seconds,
  CAST(progress.stuck AS BOOLEAN) AS stuck,
  CAST(jobs.episode AS TEXT) AS episode
FROM staging.stg_klipit__jobs AS jobs
INNER JOIN staging.stg_klipit__job_progress AS progress
  ON jobs.job_id = progress.job_id
ORDER BY
  jobs.created_at DESC,
  jobs.job_id;

COMMENT ON VIEW reports.job_turnaround IS 'How long each job took and which are stuck, at the time of reading. One row per job.';
COMMENT ON COLUMN reports.job_turnaround.job_id IS 'Klipit job id';
COMMENT ON COLUMN reports.job_turnaround.show_name IS 'Show, as submitted; NULL if not given';
COMMENT ON COLUMN reports.job_turnaround.status IS 'The API''s own word';
COMMENT ON COLUMN reports.job_turnaround.created_at IS 'When the job was created (UTC instant)';
COMMENT ON COLUMN reports.job_turnaround.completed_at IS 'When it was done (UTC instant); NULL while it runs';
COMMENT ON COLUMN reports.job_turnaround.turnaround_seconds IS 'From start to completion, in seconds; NULL while it runs';
COMMENT ON COLUMN reports.job_turnaround.source_seconds IS 'Length of the episode in seconds; NULL until the API says';
COMMENT ON COLUMN reports.job_turnaround.stuck IS 'Unfinished 2 hours after it was created';
COMMENT ON COLUMN reports.job_turnaround.episode IS 'What to call it: the first line of its description, else the guest, else the job id';

-- audit: is_key
SELECT
  job_id AS job_id
FROM reports.job_turnaround AS job_turnaround
GROUP BY
  job_id
HAVING
  COUNT(*) > 1 OR job_id IS NULL;

-- audit: counts_every_row
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COUNT(*)
      FROM reports.job_turnaround AS job_turnaround
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_klipit__jobs AS stg_klipit__jobs
      WHERE
        TRUE
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;
