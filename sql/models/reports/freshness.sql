/* How old each landing table's latest row is, at the time of reading. One row per landing table. */
MODEL (
  name reports.freshness,
  kind VIEW,
  grain table_name,
  audits (
    is_key(columns := (table_name))
  )
);

/* Where nothing was observed: when it was recorded, received, requested, finished or seen. */
WITH tables AS (
  SELECT
    'klipit.jobs' AS table_name,
    COUNT(*) AS row_count,
    MAX(observed_at) AS last_observed_at
  FROM klipit.jobs
  UNION ALL
  SELECT
    'klipit.clips' AS table_name,
    COUNT(*) AS row_count,
    MAX(observed_at) AS last_observed_at
  FROM klipit.clips
  UNION ALL
  SELECT
    'klipit.clip_reads' AS table_name,
    COUNT(*) AS row_count,
    MAX(observed_at) AS last_observed_at
  FROM klipit.clip_reads
  UNION ALL
  SELECT
    'klipit.job_observations' AS table_name,
    COUNT(*) AS row_count,
    MAX(observed_at) AS last_observed_at
  FROM klipit.job_observations
  UNION ALL
  SELECT
    'klipit.submissions' AS table_name,
    COUNT(*) AS row_count,
    MAX(recorded_at) AS last_observed_at
  FROM klipit.submissions
  UNION ALL
  SELECT
    'klipit.webhook_events' AS table_name,
    COUNT(*) AS row_count,
    MAX(received_at) AS last_observed_at
  FROM klipit.webhook_events
  UNION ALL
  SELECT
    'klipit.account_snapshots' AS table_name,
    COUNT(*) AS row_count,
    MAX(observed_at) AS last_observed_at
  FROM klipit.account_snapshots
  UNION ALL
  SELECT
    'klipit.exports' AS table_name,
    COUNT(*) AS row_count,
    MAX(requested_at) AS last_observed_at
  FROM klipit.exports
  UNION ALL
  SELECT
    'clipus.campaigns' AS table_name,
    COUNT(*) AS row_count,
    MAX(observed_at) AS last_observed_at
  FROM clipus.campaigns
  UNION ALL
  SELECT
    'clipus.videos' AS table_name,
    COUNT(*) AS row_count,
    MAX(observed_at) AS last_observed_at
  FROM clipus.videos
  UNION ALL
  SELECT
    'clipus.campaign_observations' AS table_name,
    COUNT(*) AS row_count,
    MAX(observed_at) AS last_observed_at
  FROM clipus.campaign_observations
  UNION ALL
  SELECT
    'clipus.video_observations' AS table_name,
    COUNT(*) AS row_count,
    MAX(observed_at) AS last_observed_at
  FROM clipus.video_observations
  UNION ALL
  SELECT
    'clipus.submissions' AS table_name,
    COUNT(*) AS row_count,
    MAX(recorded_at) AS last_observed_at
  FROM clipus.submissions
  UNION ALL
  SELECT
    'clipus.plan_observations' AS table_name,
    COUNT(*) AS row_count,
    MAX(observed_at) AS last_observed_at
  FROM clipus.plan_observations
  UNION ALL
  SELECT
    'clipmart.sync_runs' AS table_name,
    COUNT(*) AS row_count,
    MAX(finished_at) AS last_observed_at
  FROM clipmart.sync_runs
  UNION ALL
  SELECT
    'clipmart.rejected_records' AS table_name,
    COUNT(*) AS row_count,
    MAX(seen_at) AS last_observed_at
  FROM clipmart.rejected_records
)
SELECT
  table_name::TEXT AS table_name, /* Landing table */
  row_count::BIGINT AS row_count, /* Its rows; 0 where nothing has landed yet */
  last_observed_at::TIMESTAMPTZ AS last_observed_at, /* Its latest observed_at, or recorded_at, received_at, requested_at, finished_at or seen_at (UTC instant); NULL without rows */
  (
    (
      EPOCH(COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP)) - EPOCH(last_observed_at)
    ) / 3600
  )::DOUBLE AS hours_old /* Hours since then; NULL without rows */
FROM tables
ORDER BY
  table_name
