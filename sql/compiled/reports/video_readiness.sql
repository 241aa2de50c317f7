-- grain: campaign_id
-- reads: staging.stg_clipus__campaigns, staging.stg_clipus__videos
CREATE VIEW reports.video_readiness AS
WITH videos AS (
  SELECT
    stg_clipus__videos.campaign_id AS campaign_id,
    COUNT(*) AS videos,
    COUNT(*) FILTER(WHERE
      stg_clipus__videos.outcome = 'finished') AS ready,
    COUNT(*) FILTER(WHERE
      stg_clipus__videos.outcome = 'failed') AS failed,
    COUNT(*) FILTER(WHERE
      stg_clipus__videos.outcome = 'running') AS pending,
    COUNT(stg_clipus__videos.published_at) AS published,
    COUNT(*) FILTER(WHERE
      stg_clipus__videos.outcome <> 'failed'
      AND stg_clipus__videos.published_at IS NULL) AS awaited
  FROM staging.stg_clipus__videos AS stg_clipus__videos
  GROUP BY
    stg_clipus__videos.campaign_id
)
SELECT
  CAST(campaigns.campaign_id AS TEXT) AS campaign_id,
  CAST(campaigns.title AS TEXT) AS title,
  CAST(campaigns.url AS TEXT) AS url,
  CAST(campaigns.status AS TEXT) AS status,
  CAST(campaigns.created_at AS TIMESTAMPTZ) AS created_at,
  CAST(campaigns.languages AS TEXT[]) AS languages,
  CAST(COALESCE(videos.videos, 0) AS BIGINT) AS videos,
  CAST(COALESCE(videos.ready, 0) AS BIGINT) AS ready,
  CAST(COALESCE(videos.failed, 0) AS BIGINT) AS failed,
  CAST(COALESCE(videos.pending, 0) AS BIGINT) AS pending,
  CAST(COALESCE(videos.published, 0) AS BIGINT) AS published,
  CAST((
    videos.ready / videos.videos
  ) AS DOUBLE) AS readiness,
  CAST(campaigns.first_ready_at AS TIMESTAMPTZ) AS first_ready_at,
  CAST((
    (
      EPOCH(campaigns.first_ready_at) - EPOCH(campaigns.created_at)
    ) / 3600
  ) AS DOUBLE) AS hours_to_ready,
  CAST((
    campaigns.gone
    OR campaigns.outcome = 'failed'
    OR (
      campaigns.outcome = 'finished' AND COALESCE(videos.awaited, 0) = 0
    )
    OR COALESCE(
      campaigns.began_at + INTERVAL '14' DAYS <= COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP),
      FALSE
    )
  ) AS BOOLEAN) AS settled,
  CAST((
    (
      (
        campaigns.outcome = 'finished' AND COALESCE(videos.pending, 0) > 0
      )
      OR campaigns.outcome = 'running'
    )
    AND COALESCE(
      campaigns.began_at + INTERVAL '24' HOURS <= COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP),
      FALSE
    )
    AND NOT campaigns.gone
    AND NOT campaigns.untracked
  ) AS BOOLEAN) AS stuck
FROM staging.stg_clipus__campaigns AS campaigns
LEFT JOIN videos AS videos
  ON campaigns.campaign_id = videos.campaign_id
ORDER BY
  campaigns.created_at DESC,
  campaigns.campaign_id;

COMMENT ON VIEW reports.video_readiness IS 'How far each campaign''s videos have come, at the time of reading. One row per campaign.';
COMMENT ON COLUMN reports.video_readiness.campaign_id IS 'Clipus campaign id';
COMMENT ON COLUMN reports.video_readiness.title IS 'Label of the campaign; NULL if it has none';
COMMENT ON COLUMN reports.video_readiness.url IS 'Product page that the videos show';
COMMENT ON COLUMN reports.video_readiness.status IS 'The API''s own word';
COMMENT ON COLUMN reports.video_readiness.created_at IS 'When the campaign was created (UTC instant)';
COMMENT ON COLUMN reports.video_readiness.languages IS 'Languages of the videos; NULL if unknown';
COMMENT ON COLUMN reports.video_readiness.videos IS 'Videos of the campaign';
COMMENT ON COLUMN reports.video_readiness.ready IS 'Videos that can be downloaded';
COMMENT ON COLUMN reports.video_readiness.failed IS 'Videos that failed';
COMMENT ON COLUMN reports.video_readiness.pending IS 'Videos neither ready nor failed';
COMMENT ON COLUMN reports.video_readiness.published IS 'Videos with a published_at';
COMMENT ON COLUMN reports.video_readiness.readiness IS 'ready / videos, 0 to 1; NULL without videos';
COMMENT ON COLUMN reports.video_readiness.first_ready_at IS 'First observation with a ready video (UTC instant); NULL if nothing earlier shows the campaign without one';
COMMENT ON COLUMN reports.video_readiness.hours_to_ready IS 'Hours from created_at to first_ready_at, when a sync first saw it: the true time is shorter, by up to the time since the sync before; NULL if either is';
COMMENT ON COLUMN reports.video_readiness.settled IS 'Nothing more is awaited: failed, gone, every video failed or published, or 14 days old';
COMMENT ON COLUMN reports.video_readiness.stuck IS 'Unfinished, or finished with a video still pending, 24 hours after it was created, and tracked';

-- audit: is_key
SELECT
  campaign_id AS campaign_id
FROM reports.video_readiness AS video_readiness
GROUP BY
  campaign_id
HAVING
  COUNT(*) > 1 OR campaign_id IS NULL;

-- audit: counts_every_row
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COUNT(*)
      FROM reports.video_readiness AS video_readiness
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

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(videos), 0)
      FROM reports.video_readiness AS video_readiness
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_clipus__videos AS stg_clipus__videos
      WHERE
        TRUE
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;

-- audit: parts_make_whole
SELECT
  videos AS whole,
  ready + failed + pending AS parts
FROM reports.video_readiness AS video_readiness
WHERE
  videos <> (
    ready + failed + pending
  );
