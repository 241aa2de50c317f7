-- grain: platform
-- reads: staging.stg_clipus__videos
CREATE VIEW staging.page_platforms AS
WITH videos AS (
  SELECT
    CASE
      WHEN REGEXP_MATCHES(stg_clipus__videos.platform, '[^\s\pZ]')
      THEN stg_clipus__videos.platform
    END AS platform,
    CASE
      WHEN NOT stg_clipus__videos.published_at IS NULL
      THEN 'published'
      WHEN stg_clipus__videos.outcome = 'finished'
      THEN 'ready'
      WHEN stg_clipus__videos.outcome = 'failed'
      THEN 'failed'
      ELSE 'pending'
    END AS state
  FROM staging.stg_clipus__videos AS stg_clipus__videos
)
SELECT
  CAST(videos.platform AS TEXT) AS platform,
  CAST(COUNT(*) AS BIGINT) AS videos,
  CAST(COUNT(*) FILTER(WHERE
    videos.state = 'published') AS BIGINT) AS published,
  CAST(COUNT(*) FILTER(WHERE
    videos.state = 'ready') AS BIGINT) AS ready,
  CAST(COUNT(*) FILTER(WHERE
    videos.state = 'pending') AS BIGINT) AS pending,
  CAST(COUNT(*) FILTER(WHERE
    videos.state = 'failed') AS BIGINT) AS failed
FROM videos AS videos
GROUP BY
  videos.platform
ORDER BY
  videos DESC,
  platform;

COMMENT ON VIEW staging.page_platforms IS 'In which state the videos for each platform are, each video in one. One row per platform.';
COMMENT ON COLUMN staging.page_platforms.platform IS 'Where the videos are meant to be shown; NULL if the API named none';
COMMENT ON COLUMN staging.page_platforms.videos IS 'Videos for it';
COMMENT ON COLUMN staging.page_platforms.published IS 'Videos with a published_at';
COMMENT ON COLUMN staging.page_platforms.ready IS 'Videos that can be downloaded and are not published';
COMMENT ON COLUMN staging.page_platforms.pending IS 'Videos neither ready, failed nor published';
COMMENT ON COLUMN staging.page_platforms.failed IS 'Videos that failed and are not published';

-- audit: unique_values
SELECT
  *
FROM (
  SELECT
    ROW_NUMBER() OVER (PARTITION BY platform ORDER BY platform NULLS FIRST) AS rank_platform
  FROM staging.page_platforms AS page_platforms
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
      FROM staging.page_platforms AS page_platforms
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
  published + ready + pending + failed AS parts
FROM staging.page_platforms AS page_platforms
WHERE
  videos <> (
    published + ready + pending + failed
  );
