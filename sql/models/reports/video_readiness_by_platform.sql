/* How many videos are ready on each platform. One row per platform. */
MODEL (
  name reports.video_readiness_by_platform,
  kind FULL,
  grain platform,
  audits (
    unique_values(columns := (platform)),
    sums_to_rows(total := videos, of := staging.stg_clipus__videos),
    parts_make_whole(whole := videos, parts := ready + failed + pending)
  )
);

SELECT
  platform::TEXT                           AS platform,    /* Where the videos are meant to be shown; NULL if
                                                              the API named none */
  COUNT(*)::BIGINT                         AS videos,      /* Videos for it */
  (COUNT(*) FILTER (WHERE outcome = 'finished'))::BIGINT
                                           AS ready,       /* Videos that can be downloaded */
  (COUNT(*) FILTER (WHERE outcome = 'failed'))::BIGINT
                                           AS failed,      /* Videos that failed */
  (COUNT(*) FILTER (WHERE outcome = 'running'))::BIGINT
                                           AS pending,     /* Videos neither ready nor failed */
  COUNT(published_at)::BIGINT              AS published,   /* Videos with a published_at */
  AVG((outcome = 'finished')::INT)::DOUBLE AS readiness,   /* ready / videos, 0 to 1 */
  (AVG((outcome = 'failed')::INT) FILTER (WHERE outcome <> 'running'))::DOUBLE
                                           AS failed_share /* failed / (ready + failed), 0 to 1: of the videos
                                                              that are no longer pending; NULL if all are */
FROM staging.stg_clipus__videos
GROUP BY platform
ORDER BY videos DESC, platform
