/* How far each campaign's videos have come, at the time of reading. One row per campaign. */
MODEL (
  name reports.video_readiness,
  kind VIEW,
  grain campaign_id,
  audits (
    is_key(columns := (campaign_id)),
    counts_every_row(of := staging.stg_clipus__campaigns),
    sums_to_rows(total := videos, of := staging.stg_clipus__videos),
    parts_make_whole(whole := videos, parts := ready + failed + pending)
  )
);

WITH videos AS (
  SELECT
    campaign_id,
    COUNT(*) AS videos,
    COUNT(*) FILTER (WHERE outcome = 'finished') AS ready,
    COUNT(*) FILTER (WHERE outcome = 'failed') AS failed,
    COUNT(*) FILTER (WHERE outcome = 'running') AS pending,
    COUNT(published_at) AS published,
    COUNT(*) FILTER (WHERE outcome <> 'failed' AND published_at IS NULL) AS awaited
  FROM staging.stg_clipus__videos
  GROUP BY campaign_id
)
SELECT
  campaigns.campaign_id::TEXT            AS campaign_id,    /* Clipus campaign id */
  campaigns.title::TEXT                  AS title,          /* Label of the campaign; NULL if it has
                                                               none */
  campaigns.url::TEXT                    AS url,            /* Product page that the videos show */
  campaigns.status::TEXT                 AS status,         /* The API's own word */
  campaigns.created_at::TIMESTAMPTZ      AS created_at,     /* When the campaign was created (UTC instant) */
  campaigns.languages::TEXT[]            AS languages,      /* Languages of the videos; NULL if unknown */
  COALESCE(videos.videos, 0)::BIGINT     AS videos,         /* Videos of the campaign */
  COALESCE(videos.ready, 0)::BIGINT      AS ready,          /* Videos that can be downloaded */
  COALESCE(videos.failed, 0)::BIGINT     AS failed,         /* Videos that failed */
  COALESCE(videos.pending, 0)::BIGINT    AS pending,        /* Videos neither ready nor failed */
  COALESCE(videos.published, 0)::BIGINT  AS published,      /* Videos with a published_at */
  (videos.ready / videos.videos)::DOUBLE AS readiness,      /* ready / videos, 0 to 1; NULL without videos */
  campaigns.first_ready_at::TIMESTAMPTZ  AS first_ready_at, /* First observation with a ready video (UTC
                                                               instant); NULL if nothing earlier shows the
                                                               campaign without one */
  ((EPOCH(campaigns.first_ready_at) - EPOCH(campaigns.created_at)) / 3600)::DOUBLE
                                         AS hours_to_ready, /* Hours from created_at to first_ready_at, when
                                                               a sync first saw it: the true time is shorter,
                                                               by up to the time since the sync before; NULL
                                                               if either is */
  (
    campaigns.gone
    OR campaigns.outcome = 'failed'
    OR (campaigns.outcome = 'finished' AND COALESCE(videos.awaited, 0) = 0)
    OR COALESCE(
      campaigns.began_at + INTERVAL '14 days'
      <= COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP),
      FALSE
    )
  )::BOOLEAN                             AS settled,        /* Nothing more is awaited: failed, gone, every
                                                               video failed or published, or 14 days old */
  (
    NOT campaigns.gone
    AND NOT campaigns.untracked
    AND COALESCE(
      campaigns.began_at + INTERVAL '24 hours'
      <= COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP),
      FALSE
    )
    AND (
      campaigns.outcome = 'running'
      OR (campaigns.outcome = 'finished' AND COALESCE(videos.pending, 0) > 0)
    )
  )::BOOLEAN                             AS stuck           /* Unfinished, or finished with a video still
                                                               pending, 24 hours after it was created, and
                                                               tracked */
FROM staging.stg_clipus__campaigns AS campaigns
LEFT JOIN videos
  ON videos.campaign_id = campaigns.campaign_id
ORDER BY campaigns.created_at DESC NULLS LAST, campaigns.campaign_id
