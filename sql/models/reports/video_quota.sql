/* How much of the monthly video quota was used. One row per UTC month with a campaign or a quota answer. */
MODEL (
  name reports.video_quota,
  kind FULL,
  grain month,
  audits (
    unique_values(columns := (month)),
    sums_to_rows(total := campaigns, of := staging.stg_clipus__campaigns)
  )
);

WITH videos AS (
  SELECT
    campaign_id,
    COUNT(*) AS videos
  FROM staging.stg_clipus__videos
  GROUP BY campaign_id
), created AS (
  SELECT
    DATE_TRUNC('MONTH', campaigns.created_at AT TIME ZONE 'UTC')::DATE AS month,
    COUNT(*) AS campaigns,
    SUM(videos.videos) AS videos
  FROM staging.stg_clipus__campaigns AS campaigns
  LEFT JOIN videos
    ON videos.campaign_id = campaigns.campaign_id
  GROUP BY 1
), answered AS (
  SELECT
    DATE_TRUNC('MONTH', seen_at AT TIME ZONE 'UTC')::DATE AS month,
    ARG_MAX(quota, seen_at) AS quota,
    MAX(seen_at) AS quota_seen_at
  FROM staging.stg_clipus__quota_answers
  GROUP BY 1
)
SELECT
  COALESCE(created.month, answered.month)::DATE
                                         AS month,         /* First day of the UTC month */
  COALESCE(created.campaigns, 0)::BIGINT AS campaigns,     /* Campaigns created in it */
  COALESCE(created.videos, 0)::BIGINT    AS videos,        /* Videos of these campaigns */
  answered.quota::BIGINT                 AS quota,         /* Videos allowed in it, as the last quota answer
                                                              reported; NULL if none did */
  answered.quota_seen_at::TIMESTAMPTZ    AS quota_seen_at  /* When that answer was recorded (UTC instant);
                                                              NULL if none was */
FROM created
FULL OUTER JOIN answered
  ON answered.month = created.month
ORDER BY month DESC NULLS LAST
