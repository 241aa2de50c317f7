/* One row per video of a campaign, as last answered. */
MODEL (
  name staging.stg_clipus__videos,
  kind VIEW,
  grain (campaign_id, video_id),
  references (campaign_id),
  audits (
    is_key(columns := (campaign_id, video_id)),
    belongs_to(key := campaign_id, parent := clipus.campaigns, parent_key := campaign_id)
  )
);

SELECT
  videos.campaign_id::TEXT                 AS campaign_id,      /* Campaign of the video */
  videos.id::TEXT                          AS video_id,         /* Clipus video id; only unique within its
                                                                   campaign */
  videos.platform::TEXT                    AS platform,         /* Where it is meant to be shown; the list is
                                                                   open */
  videos.status::TEXT                      AS status,           /* The API's own word */
  COALESCE(words.outcome, 'running')::TEXT AS outcome,          /* finished (the video is ready), failed or
                                                                   running (pending) */
  videos.file_url::TEXT                    AS file_url,         /* Download link; NULL until the video is
                                                                   ready */
  videos.duration_seconds::DOUBLE          AS duration_seconds, /* Length in seconds; NULL until the API
                                                                   says */
  CASE
    WHEN videos.published_at >= '2000-01-01 00:00:00+00'::TIMESTAMPTZ
    AND COALESCE(videos.published_at <= videos.observed_at + INTERVAL '1 day', TRUE)
    THEN videos.published_at
  END::TIMESTAMPTZ                         AS published_at,     /* When it was published (UTC instant); NULL
                                                                   before, and for a date before 2000 or over
                                                                   a day ahead of the answer */
  videos.observed_at::TIMESTAMPTZ          AS observed_at       /* When the API gave this answer (UTC
                                                                   instant) */
FROM clipus.videos AS videos
LEFT JOIN staging.status_words AS words
  ON words.status = videos.status
