-- grain: finding
-- reads: clipus.campaigns, clipus.videos, klipit.account_snapshots, klipit.jobs, staging.stg_clipus__videos, staging.stg_klipit__balances, staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE TABLE staging.audit_findings AS
WITH findings AS (
  SELECT
    'score outside 0 to 100' AS finding,
    'klipit.clips' AS table_name,
    COUNT(*) FILTER(WHERE
      stg_klipit__clips.score < 0 OR stg_klipit__clips.score > 100) AS rows
  FROM staging.stg_klipit__clips AS stg_klipit__clips
  UNION ALL
  SELECT
    'clip without a moment type' AS finding,
    'klipit.clips' AS table_name,
    COUNT(*) FILTER(WHERE
      stg_klipit__clips.moment_type IS NULL) AS rows
  FROM staging.stg_klipit__clips AS stg_klipit__clips
  UNION ALL
  SELECT
    'clip that does not end after it starts' AS finding,
    'klipit.clips' AS table_name,
    COUNT(*) FILTER(WHERE
      stg_klipit__clips.end_seconds <= stg_klipit__clips.start_seconds) AS rows
  FROM staging.stg_klipit__clips AS stg_klipit__clips
  UNION ALL
  SELECT
    'clip length that is not end less start' AS finding,
    'klipit.clips' AS table_name,
    COUNT(*) FILTER(WHERE
      ABS(
        stg_klipit__clips.end_seconds - stg_klipit__clips.start_seconds - stg_klipit__clips.duration_seconds
      ) > 1) AS rows
  FROM staging.stg_klipit__clips AS stg_klipit__clips
  UNION ALL
  SELECT
    'job without created_at' AS finding,
    'klipit.jobs' AS table_name,
    COUNT(*) FILTER(WHERE
      jobs.created_at IS NULL) AS rows
  FROM klipit.jobs AS jobs
  UNION ALL
  SELECT
    'job completed before it was created' AS finding,
    'klipit.jobs' AS table_name,
    COUNT(*) FILTER(WHERE
      stg_klipit__jobs.completed_at < stg_klipit__jobs.created_at) AS rows
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
  UNION ALL
  SELECT
    'job dated before 2000 or over a day ahead' AS finding,
    'klipit.jobs' AS table_name,
    COUNT(*) FILTER(WHERE
      jobs.completed_at < CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ)
      OR jobs.completed_at > jobs.observed_at + INTERVAL '1' DAY
      OR jobs.created_at < CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ)
      OR jobs.created_at > jobs.observed_at + INTERVAL '1' DAY) AS rows
  FROM klipit.jobs AS jobs
  UNION ALL
  SELECT
    'complete job without completed_at' AS finding,
    'klipit.jobs' AS table_name,
    COUNT(*) FILTER(WHERE
      stg_klipit__jobs.completed_at IS NULL AND stg_klipit__jobs.outcome = 'finished') AS rows
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
  UNION ALL
  SELECT
    'episode length below 0' AS finding,
    'klipit.jobs' AS table_name,
    COUNT(*) FILTER(WHERE
      stg_klipit__jobs.source_seconds < 0) AS rows
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
  UNION ALL
  SELECT
    'balance below 0' AS finding,
    'klipit.account_snapshots' AS table_name,
    COUNT(*) FILTER(WHERE
      stg_klipit__balances.balance < 0) AS rows
  FROM staging.stg_klipit__balances AS stg_klipit__balances
  UNION ALL
  SELECT
    'balance out of range' AS finding,
    'klipit.account_snapshots' AS table_name,
    COUNT(*) FILTER(WHERE
      account_snapshots.observed_at < CAST('2020-01-01 00:00:00+00' AS TIMESTAMPTZ)
      OR account_snapshots.observed_at > COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP) + INTERVAL '1' DAY
      OR ABS(account_snapshots.balance) >= 1e15) AS rows
  FROM klipit.account_snapshots AS account_snapshots
  UNION ALL
  SELECT
    'campaign dated before 2000 or over a day ahead' AS finding,
    'clipus.campaigns' AS table_name,
    COUNT(*) FILTER(WHERE
      campaigns.created_at < CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ)
      OR campaigns.created_at > campaigns.observed_at + INTERVAL '1' DAY) AS rows
  FROM clipus.campaigns AS campaigns
  UNION ALL
  SELECT
    'video dated before 2000 or over a day ahead' AS finding,
    'clipus.videos' AS table_name,
    COUNT(*) FILTER(WHERE
      videos.published_at < CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ)
      OR videos.published_at > videos.observed_at + INTERVAL '1' DAY) AS rows
  FROM clipus.videos AS videos
  UNION ALL
  SELECT
    'campaign without created_at' AS finding,
    'clipus.campaigns' AS table_name,
    COUNT(*) FILTER(WHERE
      campaigns.created_at IS NULL) AS rows
  FROM clipus.campaigns AS campaigns
  UNION ALL
  SELECT
    'ready video without a link' AS finding,
    'clipus.videos' AS table_name,
    COUNT(*) FILTER(WHERE
      stg_clipus__videos.file_url IS NULL AND stg_clipus__videos.outcome = 'finished') AS rows
  FROM staging.stg_clipus__videos AS stg_clipus__videos
  UNION ALL
  SELECT
    'video length not above 0' AS finding,
    'clipus.videos' AS table_name,
    COUNT(*) FILTER(WHERE
      stg_clipus__videos.duration_seconds <= 0) AS rows
  FROM staging.stg_clipus__videos AS stg_clipus__videos
)
SELECT
  CAST(findings.finding AS TEXT) AS finding,
  CAST(findings.table_name AS TEXT) AS table_name,
  CAST(findings.rows AS BIGINT) AS rows
FROM findings AS findings
ORDER BY
  finding;

COMMENT ON TABLE staging.audit_findings IS 'Values of the vendors'' that look odd. They stop nothing: one row per check, 0 rows is well.';
COMMENT ON COLUMN staging.audit_findings.finding IS 'What is odd';
COMMENT ON COLUMN staging.audit_findings.table_name IS 'Landing table it was found in';
COMMENT ON COLUMN staging.audit_findings.rows IS 'Rows of which it is true';

-- audit: is_key
SELECT
  finding AS finding
FROM staging.audit_findings AS audit_findings
GROUP BY
  finding
HAVING
  COUNT(*) > 1 OR finding IS NULL;
