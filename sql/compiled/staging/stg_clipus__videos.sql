-- grain: campaign_id, video_id
-- reads: clipus.videos, staging.status_words
CREATE VIEW staging.stg_clipus__videos AS
SELECT
  CAST(videos.campaign_id AS TEXT) AS campaign_id,
  CAST(videos.id AS TEXT) AS video_id,
  CAST(videos.platform AS TEXT) AS platform,
  CAST(videos.status AS TEXT) AS status,
  CAST(COALESCE(words.outcome, 'running') AS TEXT) AS outcome,
  CAST(videos.file_url AS TEXT) AS file_url,
  CAST(videos.duration_seconds AS DOUBLE) AS duration_seconds,
  CAST(CASE
    WHEN videos.published_at >= CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ)
    AND COALESCE(videos.published_at <= videos.observed_at + INTERVAL '1' DAY, TRUE)
    THEN videos.published_at
  END AS TIMESTAMPTZ) AS published_at,
  CAST(videos.observed_at AS TIMESTAMPTZ) AS observed_at
FROM clipus.videos AS videos
LEFT JOIN staging.status_words AS words
  ON videos.status = words.status;

COMMENT ON VIEW staging.stg_clipus__videos IS 'One row per video of a campaign, as last answered.';
COMMENT ON COLUMN staging.stg_clipus__videos.campaign_id IS 'Campaign of the video';
COMMENT ON COLUMN staging.stg_clipus__videos.video_id IS 'Clipus video id; only unique within its campaign';
COMMENT ON COLUMN staging.stg_clipus__videos.platform IS 'Where it is meant to be shown; the list is open';
COMMENT ON COLUMN staging.stg_clipus__videos.status IS 'The API''s own word';
COMMENT ON COLUMN staging.stg_clipus__videos.outcome IS 'finished (the video is ready), failed or running (pending)';
COMMENT ON COLUMN staging.stg_clipus__videos.file_url IS 'Download link; NULL until the video is ready';
COMMENT ON COLUMN staging.stg_clipus__videos.duration_seconds IS 'Length in seconds; NULL until the API says';
COMMENT ON COLUMN staging.stg_clipus__videos.published_at IS 'When it was published (UTC instant); NULL before, and for a date before 2000 or over a day ahead of the answer';
COMMENT ON COLUMN staging.stg_clipus__videos.observed_at IS 'When the API gave this answer (UTC instant)';

-- audit: is_key
SELECT
  campaign_id AS campaign_id,
  video_id AS video_id
FROM staging.stg_clipus__videos AS stg_clipus__videos
GROUP BY
  campaign_id,
  video_id
HAVING
  COUNT(*) > 1 OR campaign_id IS NULL OR video_id IS NULL;

-- audit: belongs_to
SELECT
  child.campaign_id AS without_parent
FROM staging.stg_clipus__videos AS child
ANTI JOIN clipus.campaigns AS parent
  ON parent.campaign_id = child.campaign_id;
