-- grain: service, id, video_id
-- reads: clipus.campaign_observations, clipus.video_observations, klipit.job_observations, staging.status_words, staging.stg_clipus__campaigns, staging.stg_clipus__videos, staging.stg_klipit__jobs
CREATE TABLE reports.failures AS
WITH jobs_seen AS (
  SELECT
    observations.job_id AS job_id,
    MIN(observations.observed_at) AS seen_at
  FROM klipit.job_observations AS observations
  INNER JOIN staging.status_words AS words
    ON observations.status = words.status AND words.outcome = 'failed'
  GROUP BY
    observations.job_id
), campaigns_seen AS (
  SELECT
    observations.campaign_id AS campaign_id,
    MIN(observations.observed_at) AS seen_at
  FROM clipus.campaign_observations AS observations
  INNER JOIN staging.status_words AS words
    ON observations.status = words.status AND words.outcome = 'failed'
  GROUP BY
    observations.campaign_id
), videos_seen AS (
  SELECT
    observations.campaign_id AS campaign_id,
    observations.video_id AS video_id,
    MIN(observations.observed_at) AS seen_at
  FROM clipus.video_observations AS observations
  INNER JOIN staging.status_words AS words
    ON observations.status = words.status AND words.outcome = 'failed'
  GROUP BY
    observations.campaign_id,
    observations.video_id
), failed AS (
  SELECT
    'klipit' AS service,
    'job' AS kind,
    jobs.job_id AS id,
    NULL AS video_id,
    jobs.show_name AS name,
    jobs.episode AS episode,
    jobs.status AS status,
    jobs.error AS error,
    jobs.created_at AS created_at,
    COALESCE(jobs_seen.seen_at, jobs.observed_at) AS seen_at
  FROM staging.stg_klipit__jobs AS jobs
  LEFT JOIN jobs_seen AS jobs_seen
    ON jobs.job_id = jobs_seen.job_id
  WHERE
    jobs.outcome = 'failed'
  UNION ALL
  SELECT
    'clipus' AS clipus,
    'campaign' AS campaign,
    campaigns.campaign_id AS campaign_id,
    NULL AS _col_3,
    COALESCE(campaigns.title, campaigns.url) AS _col_4,
    NULL AS _col_5,
    campaigns.status AS status,
    NULL AS _col_7,
    campaigns.created_at AS created_at,
    COALESCE(campaigns_seen.seen_at, campaigns.observed_at) AS _col_9
  FROM staging.stg_clipus__campaigns AS campaigns
  LEFT JOIN campaigns_seen AS campaigns_seen
    ON campaigns.campaign_id = campaigns_seen.campaign_id
  WHERE
    campaigns.outcome = 'failed'
  UNION ALL
  SELECT
    'clipus' AS clipus,
    'video' AS video,
    videos.campaign_id AS campaign_id,
    videos.video_id AS video_id,
    COALESCE(campaigns.title, campaigns.url) AS _col_4,
    NULL AS _col_5,
    videos.status AS status,
    NULL AS _col_7,
    campaigns.created_at AS created_at,
    COALESCE(videos_seen.seen_at, videos.observed_at) AS _col_9
  FROM staging.stg_clipus__videos AS videos
  INNER JOIN staging.stg_clipus__campaigns AS campaigns
    ON campaigns.campaign_id = videos.campaign_id
  LEFT JOIN videos_seen AS videos_seen
    ON videos.campaign_id = videos_seen.campaign_id
    AND videos.video_id = videos_seen.video_id
  WHERE
    videos.outcome = 'failed'
)
SELECT
  CAST(failed.service AS TEXT) AS service,
  CAST(failed.kind AS TEXT) AS kind,
  CAST(failed.id AS TEXT) AS id,
  CAST(failed.video_id AS TEXT) AS video_id,
  CAST(failed.name AS TEXT) AS name,
  CAST(failed.episode AS TEXT) AS episode,
  CAST(failed.status AS TEXT) AS status,
  CAST(failed.error AS TEXT) AS error,
  CAST(failed.created_at AS TIMESTAMPTZ) AS created_at,
  CAST(failed.seen_at AS TIMESTAMPTZ) AS seen_at
FROM failed AS failed
ORDER BY
  created_at DESC,
  service,
  id,
  video_id NULLS FIRST;

COMMENT ON TABLE reports.failures IS 'What failed, and what the API said. One row per failed job, campaign or video.';
COMMENT ON COLUMN reports.failures.service IS 'klipit or clipus';
COMMENT ON COLUMN reports.failures.kind IS 'job, campaign or video';
COMMENT ON COLUMN reports.failures.id IS 'Klipit job id, or Clipus campaign id';
COMMENT ON COLUMN reports.failures.video_id IS 'Clipus video id within the campaign; NULL for a job or a campaign as a whole';
COMMENT ON COLUMN reports.failures.name IS 'Show of the job, or title of the campaign, else its URL; NULL if not given';
COMMENT ON COLUMN reports.failures.episode IS 'What to call the job''s episode: the first line of the description, else the guest, else the job id; NULL for Clipus';
COMMENT ON COLUMN reports.failures.status IS 'The API''s own word';
COMMENT ON COLUMN reports.failures.error IS 'Why it failed, in the API''s words; NULL if it gives no reason, as Clipus does';
COMMENT ON COLUMN reports.failures.created_at IS 'When the job or campaign was created (UTC instant)';
COMMENT ON COLUMN reports.failures.seen_at IS 'When a sync first saw that it had failed (UTC instant)';

-- audit: unique_combination_of_columns
SELECT
  service AS service,
  id AS id,
  video_id AS video_id
FROM reports.failures AS failures
WHERE
  TRUE
GROUP BY
  service,
  id,
  video_id
HAVING
  COUNT(*) > 1;

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(CAST((
          kind = 'job'
        ) AS INT)), 0)
      FROM reports.failures AS failures
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_klipit__jobs AS stg_klipit__jobs
      WHERE
        outcome = 'failed'
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(CAST((
          kind = 'campaign'
        ) AS INT)), 0)
      FROM reports.failures AS failures
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_clipus__campaigns AS stg_clipus__campaigns
      WHERE
        outcome = 'failed'
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(CAST((
          kind = 'video'
        ) AS INT)), 0)
      FROM reports.failures AS failures
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_clipus__videos AS stg_clipus__videos
      WHERE
        outcome = 'failed'
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;
