/* In which state the videos for each platform are, each video in one. One row per platform. */
MODEL (
  name staging.page_platforms,
  kind VIEW,
  grain platform,
  audits (
    unique_values(columns := (platform)),
    sums_to_rows(total := videos, of := staging.stg_clipus__videos),
    parts_make_whole(whole := videos, parts := published + ready + pending + failed)
  )
);

WITH videos AS (
  SELECT
    CASE WHEN REGEXP_MATCHES(platform, '[^\s\pZ]') THEN platform END AS platform,
    CASE
      WHEN published_at IS NOT NULL
      THEN 'published'
      WHEN outcome = 'finished'
      THEN 'ready'
      WHEN outcome = 'failed'
      THEN 'failed'
      ELSE 'pending'
    END AS state
  FROM staging.stg_clipus__videos
)
SELECT
  platform::TEXT                                      AS platform,  /* Where the videos are meant to be
                                                                       shown; NULL if the API named none */
  COUNT(*)::BIGINT                                    AS videos,    /* Videos for it */
  (COUNT(*) FILTER (WHERE state = 'published'))::BIGINT
                                                      AS published, /* Videos with a published_at */
  (COUNT(*) FILTER (WHERE state = 'ready'))::BIGINT   AS ready,     /* Videos that can be downloaded and are
                                                                       not published */
  (COUNT(*) FILTER (WHERE state = 'pending'))::BIGINT AS pending,   /* Videos neither ready, failed nor
                                                                       published */
  (COUNT(*) FILTER (WHERE state = 'failed'))::BIGINT  AS failed     /* Videos that failed and are not
                                                                       published */
FROM videos
GROUP BY platform
ORDER BY videos DESC, platform
