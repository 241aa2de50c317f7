-- grain: platform
-- reads: staging.stg_clipus__videos
CREATE TABLE reports.video_readiness_by_platform AS
SELECT
  CAST(stg_clipus__videos.platform AS TEXT) AS platform,
  CAST(COUNT(*) AS BIGINT) AS videos,
  CAST(COUNT(*) FILTER(WHERE
    stg_clipus__videos.outcome = 'finished') AS BIGINT) AS ready,
  CAST(COUNT(*) FILTER(WHERE
    stg_clipus__videos.outcome = 'failed') AS BIGINT) AS failed,
  CAST(COUNT(*) FILTER(WHERE
    stg_clipus__videos.outcome = 'running') AS BIGINT) AS pending,
  CAST(COUNT(stg_clipus__videos.published_at) AS BIGINT) AS published,
  CAST(AVG(CAST(stg_clipus__videos.outcome = 'finished' AS INT)) AS DOUBLE) AS readiness,
  CAST(AVG(CAST((
    stg_clipus__videos.outcome = 'failed'
  ) AS INT)) FILTER(WHERE
    stg_clipus__videos.outcome <> 'running') AS DOUBLE) AS failed_share
FROM staging.stg_clipus__videos AS stg_clipus__videos
GROUP BY
  stg_clipus__videos.platform
ORDER BY
  videos DESC,
  platform;

COMMENT ON TABLE reports.video_readiness_by_platform IS 'How many videos are ready on each platform. One row per platform.';
COMMENT ON COLUMN reports.video_readiness_by_platform.platform IS 'Where the videos are meant to be shown; NULL if the API named none';
COMMENT ON COLUMN reports.video_readiness_by_platform.videos IS 'Videos for it';
COMMENT ON COLUMN reports.video_readiness_by_platform.ready IS 'Videos that can be downloaded';
COMMENT ON COLUMN reports.video_readiness_by_platform.failed IS 'Videos that failed';
COMMENT ON COLUMN reports.video_readiness_by_platform.pending IS 'Videos neither ready nor failed';
COMMENT ON COLUMN reports.video_readiness_by_platform.published IS 'Videos with a published_at';
COMMENT ON COLUMN reports.video_readiness_by_platform.readiness IS 'ready / videos, 0 to 1';
COMMENT ON COLUMN reports.video_readiness_by_platform.failed_share IS 'failed / (ready + failed), 0 to 1: of the videos that are no longer pending; NULL if all are';

-- audit: unique_values
SELECT
  *
FROM (
  SELECT
    ROW_NUMBER() OVER (PARTITION BY platform ORDER BY platform NULLS FIRST) AS rank_platform
  FROM reports.video_readiness_by_platform AS video_readiness_by_platform
  WHERE
    TRUE
) AS _0
WHERE
  rank_platform > 1;

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(videos), 0)
      FROM reports.video_readiness_by_platform AS video_readiness_by_platform
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
FROM reports.video_readiness_by_platform AS video_readiness_by_platform
WHERE
  videos <> (
    ready + failed + pending
  );
