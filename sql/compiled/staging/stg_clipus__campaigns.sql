-- grain: campaign_id
-- reads: clipus.campaign_observations, clipus.campaigns, clipus.submissions, clipus.video_observations, staging.status_words
CREATE VIEW staging.stg_clipus__campaigns AS
WITH submitted AS (
  SELECT
    submissions.campaign_id AS campaign_id,
    MIN(submissions.recorded_at) AS first_known_at,
    BOOL_AND(NOT submissions.untracked_at IS NULL) AS untracked,
    MIN(submissions.submitted_at) FILTER(WHERE
      submissions.origin = 'submit') AS submitted_at
  FROM clipus.submissions AS submissions
  WHERE
    NOT submissions.campaign_id IS NULL
  GROUP BY
    submissions.campaign_id
), campaigns AS (
  SELECT
    campaigns.campaign_id AS campaign_id,
    campaigns.title AS title,
    campaigns.url AS url,
    campaigns.status AS status,
    campaigns.languages AS languages,
    CASE
      WHEN campaigns.created_at >= CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ)
      AND COALESCE(campaigns.created_at <= campaigns.observed_at + INTERVAL '1' DAY, TRUE)
      THEN campaigns.created_at
    END AS created_at,
    campaigns.observed_at AS observed_at
  FROM clipus.campaigns AS campaigns
), seen AS (
  SELECT
    campaign_observations.campaign_id AS campaign_id,
    MIN(campaign_observations.observed_at) AS first_seen_at,
    ARG_MAX(campaign_observations.status, campaign_observations.observed_at) AS last_status
  FROM clipus.campaign_observations AS campaign_observations
  GROUP BY
    campaign_observations.campaign_id
), videos_seen AS (
  SELECT
    observations.campaign_id AS campaign_id,
    MIN(observations.observed_at) AS first_seen_at,
    MIN(observations.observed_at) FILTER(WHERE
      words.outcome = 'finished') AS first_ready_at
  FROM clipus.video_observations AS observations
  LEFT JOIN staging.status_words AS words
    ON observations.status = words.status
  GROUP BY
    observations.campaign_id
)
SELECT
  CAST(campaigns.campaign_id AS TEXT) AS campaign_id,
  CAST(campaigns.title AS TEXT) AS title,
  CAST(campaigns.url AS TEXT) AS url,
  CAST(campaigns.status AS TEXT) AS status,
  CAST(COALESCE(words.outcome, 'running') AS TEXT) AS outcome,
  TRY_CAST(campaigns.languages AS TEXT[]) AS languages,
  CAST(COALESCE(seen.last_status = 'not_found', FALSE) AS BOOLEAN) AS gone,
  CAST(COALESCE(submitted.untracked, FALSE) AS BOOLEAN) AS untracked,
  CAST(campaigns.created_at AS TIMESTAMPTZ) AS created_at,
  CAST(COALESCE(campaigns.created_at, submitted.first_known_at) AS TIMESTAMPTZ) AS began_at,
  CAST(CASE
    WHEN videos_seen.first_ready_at > LEAST(seen.first_seen_at, videos_seen.first_seen_at, submitted.submitted_at)
    THEN videos_seen.first_ready_at
  END AS TIMESTAMPTZ) AS first_ready_at,
  CAST(campaigns.observed_at AS TIMESTAMPTZ) AS observed_at
FROM campaigns AS campaigns
LEFT JOIN submitted AS submitted
  ON campaigns.campaign_id = submitted.campaign_id
LEFT JOIN seen AS seen
  ON campaigns.campaign_id = seen.campaign_id
LEFT JOIN videos_seen AS videos_seen
  ON campaigns.campaign_id = videos_seen.campaign_id
LEFT JOIN staging.status_words AS words
  ON campaigns.status = words.status;

COMMENT ON VIEW staging.stg_clipus__campaigns IS 'One row per campaign, as last answered, with what watching it over time has shown.';
COMMENT ON COLUMN staging.stg_clipus__campaigns.campaign_id IS 'Clipus campaign id';
COMMENT ON COLUMN staging.stg_clipus__campaigns.title IS 'Label of the campaign; NULL if it has none';
COMMENT ON COLUMN staging.stg_clipus__campaigns.url IS 'Product page that the videos show';
COMMENT ON COLUMN staging.stg_clipus__campaigns.status IS 'The API''s own word';
COMMENT ON COLUMN staging.stg_clipus__campaigns.outcome IS 'finished, failed or running, read from status';
COMMENT ON COLUMN staging.stg_clipus__campaigns.languages IS 'Languages of the videos; NULL if not reported';
COMMENT ON COLUMN staging.stg_clipus__campaigns.gone IS 'The API no longer knows it: its last observation is not_found';
COMMENT ON COLUMN staging.stg_clipus__campaigns.untracked IS 'No longer polled: a person took its id out';
COMMENT ON COLUMN staging.stg_clipus__campaigns.created_at IS 'When the campaign was created (UTC instant); NULL if absent, before 2000 or over a day ahead of the answer';
COMMENT ON COLUMN staging.stg_clipus__campaigns.began_at IS 'created_at, or when it was first known where that is not reported (UTC instant)';
COMMENT ON COLUMN staging.stg_clipus__campaigns.first_ready_at IS 'First observation with a ready video (UTC instant); NULL if nothing earlier shows the campaign without one';
COMMENT ON COLUMN staging.stg_clipus__campaigns.observed_at IS 'When the API gave this answer (UTC instant)';

-- audit: is_key
SELECT
  campaign_id AS campaign_id
FROM staging.stg_clipus__campaigns AS stg_clipus__campaigns
GROUP BY
  campaign_id
HAVING
  COUNT(*) > 1 OR campaign_id IS NULL;
