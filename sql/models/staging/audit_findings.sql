/* Values of the vendors' that look odd. They stop nothing: one row per check, 0 rows is well. */
MODEL (
  name staging.audit_findings,
  kind VIEW,
  grain finding,
  audits (
    is_key(columns := (finding))
  )
);

WITH findings AS (
  SELECT
    'score outside 0 to 100' AS finding,
    'klipit.clips' AS table_name,
    COUNT(*) FILTER(WHERE
      NOT score BETWEEN 0 AND 100) AS rows
  FROM staging.stg_klipit__clips
  UNION ALL
  SELECT
    'clip without a moment type' AS finding,
    'klipit.clips' AS table_name,
    COUNT(*) FILTER(WHERE
      moment_type IS NULL) AS rows
  FROM staging.stg_klipit__clips
  UNION ALL
  SELECT
    'clip that does not end after it starts' AS finding,
    'klipit.clips' AS table_name,
    COUNT(*) FILTER(WHERE
      end_seconds <= start_seconds) AS rows
  FROM staging.stg_klipit__clips
  UNION ALL
  SELECT
    'clip length that is not end less start' AS finding,
    'klipit.clips' AS table_name,
    COUNT(*) FILTER(WHERE
      ABS(end_seconds - start_seconds - duration_seconds) > 1) AS rows
  FROM staging.stg_klipit__clips
  UNION ALL
  SELECT
    'job without created_at' AS finding,
    'klipit.jobs' AS table_name,
    COUNT(*) FILTER(WHERE
      created_at IS NULL) AS rows
  FROM klipit.jobs
  UNION ALL
  SELECT
    'job completed before it was made' AS finding,
    'klipit.jobs' AS table_name,
    COUNT(*) FILTER(WHERE
      completed_at < created_at) AS rows
  FROM staging.stg_klipit__jobs
  UNION ALL
  SELECT
    'job dated before 2000 or over a day ahead' AS finding,
    'klipit.jobs' AS table_name,
    COUNT(*) FILTER(WHERE
      NOT created_at BETWEEN '2000-01-01 00:00:00+00'::TIMESTAMPTZ AND observed_at + INTERVAL '1 day'
      OR NOT completed_at BETWEEN '2000-01-01 00:00:00+00'::TIMESTAMPTZ AND observed_at + INTERVAL '1 day') AS rows
  FROM klipit.jobs
  UNION ALL
  SELECT
    'complete job without completed_at' AS finding,
    'klipit.jobs' AS table_name,
    COUNT(*) FILTER(WHERE
      outcome = 'finished' AND completed_at IS NULL) AS rows
  FROM staging.stg_klipit__jobs
  UNION ALL
  SELECT
    'episode length below 0' AS finding,
    'klipit.jobs' AS table_name,
    COUNT(*) FILTER(WHERE
      source_seconds < 0) AS rows
  FROM staging.stg_klipit__jobs
  UNION ALL
  SELECT
    'balance below 0' AS finding,
    'klipit.account_snapshots' AS table_name,
    COUNT(*) FILTER(WHERE
      balance < 0) AS rows
  FROM staging.stg_klipit__balances
  UNION ALL
  SELECT
    'balance out of range' AS finding,
    'klipit.account_snapshots' AS table_name,
    COUNT(*) FILTER(WHERE
      NOT ABS(balance) < 1e15
      OR NOT observed_at BETWEEN '2020-01-01 00:00:00+00'::TIMESTAMPTZ AND COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP) + INTERVAL '1 day') AS rows
  FROM klipit.account_snapshots
  UNION ALL
  SELECT
    'campaign dated before 2000 or over a day ahead' AS finding,
    'clipus.campaigns' AS table_name,
    COUNT(*) FILTER(WHERE
      NOT created_at BETWEEN '2000-01-01 00:00:00+00'::TIMESTAMPTZ AND observed_at + INTERVAL '1 day') AS rows
  FROM clipus.campaigns
  UNION ALL
  SELECT
    'video dated before 2000 or over a day ahead' AS finding,
    'clipus.videos' AS table_name,
    COUNT(*) FILTER(WHERE
      NOT published_at BETWEEN '2000-01-01 00:00:00+00'::TIMESTAMPTZ AND observed_at + INTERVAL '1 day') AS rows
  FROM clipus.videos
  UNION ALL
  SELECT
    'campaign without created_at' AS finding,
    'clipus.campaigns' AS table_name,
    COUNT(*) FILTER(WHERE
      created_at IS NULL) AS rows
  FROM clipus.campaigns
  UNION ALL
  SELECT
    'ready video without a link' AS finding,
    'clipus.videos' AS table_name,
    COUNT(*) FILTER(WHERE
      outcome = 'finished' AND file_url IS NULL) AS rows
  FROM staging.stg_clipus__videos
  UNION ALL
  SELECT
    'video length not above 0' AS finding,
    'clipus.videos' AS table_name,
    COUNT(*) FILTER(WHERE
      duration_seconds <= 0) AS rows
  FROM staging.stg_clipus__videos
)
SELECT
  finding::TEXT AS finding, /* What is odd */
  table_name::TEXT AS table_name, /* Landing table it was found in */
  rows::BIGINT AS rows /* Rows of which it is true */
FROM findings
ORDER BY
  finding
