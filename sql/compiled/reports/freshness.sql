-- grain: table_name
-- reads: clipmart.rejected_records, clipmart.sync_runs, clipus.campaign_observations, clipus.campaigns, clipus.plan_observations, clipus.submissions, clipus.video_observations, clipus.videos, klipit.account_snapshots, klipit.clip_reads, klipit.clips, klipit.exports, klipit.job_observations, klipit.jobs, klipit.submissions, klipit.webhook_events
CREATE VIEW reports.freshness AS
WITH tables AS (
  SELECT
    'klipit.jobs' AS table_name,
    COUNT(*) AS row_count,
    MAX(jobs.observed_at) AS last_observed_at
  FROM klipit.jobs AS jobs
  UNION ALL
  SELECT
    'klipit.clips' AS table_name,
    COUNT(*) AS row_count,
    MAX(clips.observed_at) AS last_observed_at
  FROM klipit.clips AS clips
  UNION ALL
  SELECT
    'klipit.clip_reads' AS table_name,
    COUNT(*) AS row_count,
    MAX(clip_reads.observed_at) AS last_observed_at
  FROM klipit.clip_reads AS clip_reads
  UNION ALL
  SELECT
    'klipit.job_observations' AS table_name,
    COUNT(*) AS row_count,
    MAX(job_observations.observed_at) AS last_observed_at
  FROM klipit.job_observations AS job_observations
  UNION ALL
  SELECT
    'klipit.submissions' AS table_name,
    COUNT(*) AS row_count,
    MAX(submissions.recorded_at) AS last_observed_at
  FROM klipit.submissions AS submissions
  UNION ALL
  SELECT
    'klipit.webhook_events' AS table_name,
    COUNT(*) AS row_count,
    MAX(webhook_events.received_at) AS last_observed_at
  FROM klipit.webhook_events AS webhook_events
  UNION ALL
  SELECT
    'klipit.account_snapshots' AS table_name,
    COUNT(*) AS row_count,
    MAX(account_snapshots.observed_at) AS last_observed_at
  FROM klipit.account_snapshots AS account_snapshots
  UNION ALL
  SELECT
    'klipit.exports' AS table_name,
    COUNT(*) AS row_count,
    MAX(exports.requested_at) AS last_observed_at
  FROM klipit.exports AS exports
  UNION ALL
  SELECT
    'clipus.campaigns' AS table_name,
    COUNT(*) AS row_count,
    MAX(campaigns.observed_at) AS last_observed_at
  FROM clipus.campaigns AS campaigns
  UNION ALL
  SELECT
    'clipus.videos' AS table_name,
    COUNT(*) AS row_count,
    MAX(videos.observed_at) AS last_observed_at
  FROM clipus.videos AS videos
  UNION ALL
  SELECT
    'clipus.campaign_observations' AS table_name,
    COUNT(*) AS row_count,
    MAX(campaign_observations.observed_at) AS last_observed_at
  FROM clipus.campaign_observations AS campaign_observations
  UNION ALL
  SELECT
    'clipus.video_observations' AS table_name,
    COUNT(*) AS row_count,
    MAX(video_observations.observed_at) AS last_observed_at
  FROM clipus.video_observations AS video_observations
  UNION ALL
  SELECT
    'clipus.submissions' AS table_name,
    COUNT(*) AS row_count,
    MAX(submissions.recorded_at) AS last_observed_at
  FROM clipus.submissions AS submissions
  UNION ALL
  SELECT
    'clipus.plan_observations' AS table_name,
    COUNT(*) AS row_count,
    MAX(plan_observations.observed_at) AS last_observed_at
  FROM clipus.plan_observations AS plan_observations
  UNION ALL
  SELECT
    'clipmart.sync_runs' AS table_name,
    COUNT(*) AS row_count,
    MAX(sync_runs.finished_at) AS last_observed_at
  FROM clipmart.sync_runs AS sync_runs
  UNION ALL
  SELECT
    'clipmart.rejected_records' AS table_name,
    COUNT(*) AS row_count,
    MAX(rejected_records.seen_at) AS last_observed_at
  FROM clipmart.rejected_records AS rejected_records
)
SELECT
  CAST(tables.table_name AS TEXT) AS table_name,
  CAST(tables.row_count AS BIGINT) AS row_count,
  CAST(tables.last_observed_at AS TIMESTAMPTZ) AS last_observed_at,
  CAST((
    (
      EPOCH(COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP)) - EPOCH(tables.last_observed_at)
    ) / 3600
  ) AS DOUBLE) AS hours_old
FROM tables AS tables
ORDER BY
  table_name;

COMMENT ON VIEW reports.freshness IS 'How old each landing table''s latest row is, at the time of reading. One row per landing table.';
COMMENT ON COLUMN reports.freshness.table_name IS 'Landing table';
COMMENT ON COLUMN reports.freshness.row_count IS 'Its rows; 0 if nothing has landed yet';
COMMENT ON COLUMN reports.freshness.last_observed_at IS 'Its latest observed_at, or recorded_at, received_at, requested_at, finished_at or seen_at (UTC instant); NULL without rows';
COMMENT ON COLUMN reports.freshness.hours_old IS 'Hours since then; NULL without rows';

-- audit: is_key
SELECT
  table_name AS table_name
FROM reports.freshness AS freshness
GROUP BY
  table_name
HAVING
  COUNT(*) > 1 OR table_name IS NULL;
