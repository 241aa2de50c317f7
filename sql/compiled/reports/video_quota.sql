-- grain: month
-- reads: staging.stg_clipus__campaigns, staging.stg_clipus__quota_answers, staging.stg_clipus__videos
CREATE TABLE reports.video_quota AS
WITH videos AS (
  SELECT
    stg_clipus__videos.campaign_id AS campaign_id,
    COUNT(*) AS videos
  FROM staging.stg_clipus__videos AS stg_clipus__videos
  GROUP BY
    stg_clipus__videos.campaign_id
), created AS (
  SELECT
    CAST(DATE_TRUNC('MONTH', campaigns.created_at AT TIME ZONE 'UTC') AS DATE) AS month,
    COUNT(*) AS campaigns,
    SUM(videos.videos) AS videos
  FROM staging.stg_clipus__campaigns AS campaigns
  LEFT JOIN videos AS videos
    ON campaigns.campaign_id = videos.campaign_id
  GROUP BY
    CAST(DATE_TRUNC('MONTH', campaigns.created_at AT TIME ZONE 'UTC') AS DATE)
), answered AS (
  SELECT
    CAST(DATE_TRUNC('MONTH', stg_clipus__quota_answers.seen_at AT TIME ZONE 'UTC') AS DATE) AS month,
    ARG_MAX(stg_clipus__quota_answers.quota, stg_clipus__quota_answers.seen_at) AS quota,
    MAX(stg_clipus__quota_answers.seen_at) AS quota_seen_at
  FROM staging.stg_clipus__quota_answers AS stg_clipus__quota_answers
  GROUP BY
    CAST(DATE_TRUNC('MONTH', stg_clipus__quota_answers.seen_at AT TIME ZONE 'UTC') AS DATE)
)
SELECT
  CAST(COALESCE(created.month, answered.month) AS DATE) AS month,
  CAST(COALESCE(created.campaigns, 0) AS BIGINT) AS campaigns,
  CAST(COALESCE(created.videos, 0) AS BIGINT) AS videos,
  CAST(answered.quota AS BIGINT) AS quota,
  CAST(answered.quota_seen_at AS TIMESTAMPTZ) AS quota_seen_at
FROM created AS created
FULL OUTER JOIN answered AS answered
  ON answered.month = created.month
ORDER BY
  month DESC;

COMMENT ON TABLE reports.video_quota IS 'How much of the monthly video quota was used. One row per UTC month with a campaign or a quota answer.';
COMMENT ON COLUMN reports.video_quota.month IS 'First day of the UTC month';
COMMENT ON COLUMN reports.video_quota.campaigns IS 'Campaigns created in it';
COMMENT ON COLUMN reports.video_quota.videos IS 'Videos of these campaigns';
COMMENT ON COLUMN reports.video_quota.quota IS 'Videos allowed in it, as the last quota answer reported; NULL if none did';
COMMENT ON COLUMN reports.video_quota.quota_seen_at IS 'When that answer was recorded (UTC instant); NULL if none was';

-- audit: unique_values
SELECT
  *
FROM (
  SELECT
    ROW_NUMBER() OVER (PARTITION BY month ORDER BY month NULLS FIRST) AS rank_month
  FROM reports.video_quota AS video_quota
  WHERE
    TRUE
) AS _0
WHERE
  rank_month > 1;

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(campaigns), 0)
      FROM reports.video_quota AS video_quota
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_clipus__campaigns AS stg_clipus__campaigns
      WHERE
        TRUE
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;
