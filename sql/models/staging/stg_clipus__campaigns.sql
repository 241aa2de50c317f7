/* One row per campaign, as last answered, with what watching it over time has shown. */
MODEL (
  name staging.stg_clipus__campaigns,
  kind VIEW,
  grain campaign_id,
  audits (
    is_key(columns := (campaign_id))
  )
);

WITH submitted AS (
  SELECT
    campaign_id,
    MIN(recorded_at) AS first_known_at,
    BOOL_AND(untracked_at IS NOT NULL) AS untracked,
    MIN(submitted_at) FILTER (WHERE origin = 'submit') AS submitted_at
  FROM clipus.submissions
  WHERE campaign_id IS NOT NULL
  GROUP BY campaign_id
), campaigns AS (
  SELECT
    campaign_id,
    title,
    url,
    status,
    languages,
    CASE
      WHEN created_at >= '2000-01-01 00:00:00+00'::TIMESTAMPTZ
      AND COALESCE(created_at <= observed_at + INTERVAL '1 day', TRUE)
      THEN created_at
    END AS created_at,
    observed_at
  FROM clipus.campaigns
), seen AS (
  SELECT
    campaign_id,
    MIN(observed_at) AS first_seen_at,
    ARG_MAX(status, observed_at) AS last_status
  FROM clipus.campaign_observations
  GROUP BY campaign_id
), videos_seen AS (
  SELECT
    observations.campaign_id,
    MIN(observations.observed_at) AS first_seen_at,
    MIN(observations.observed_at) FILTER (WHERE words.outcome = 'finished') AS first_ready_at
  FROM clipus.video_observations AS observations
  LEFT JOIN staging.status_words AS words
    ON words.status = observations.status
  GROUP BY observations.campaign_id
)
SELECT
  campaigns.campaign_id::TEXT              AS campaign_id,    /* Clipus campaign id */
  campaigns.title::TEXT                    AS title,          /* Label of the campaign; NULL if it has
                                                                 none */
  campaigns.url::TEXT                      AS url,            /* Product page that the videos show */
  campaigns.status::TEXT                   AS status,         /* The API's own word */
  COALESCE(words.outcome, 'running')::TEXT AS outcome,        /* finished, failed or running, read from
                                                                 status */
  TRY_CAST(campaigns.languages AS TEXT[])  AS languages,      /* Languages of the videos; NULL if not
                                                                 reported */
  COALESCE(seen.last_status = 'not_found', FALSE)::BOOLEAN
                                           AS gone,           /* The API no longer knows it: its last
                                                                 observation is not_found */
  COALESCE(submitted.untracked, FALSE)::BOOLEAN
                                           AS untracked,      /* No longer polled: a person took its id out */
  campaigns.created_at::TIMESTAMPTZ        AS created_at,     /* When the campaign was created (UTC instant);
                                                                 NULL if absent, before 2000 or over a day
                                                                 ahead of the answer */
  COALESCE(campaigns.created_at, submitted.first_known_at)::TIMESTAMPTZ
                                           AS began_at,       /* created_at, or when it was first known where
                                                                 that is not reported (UTC instant) */
  CASE
    WHEN LEAST(seen.first_seen_at, videos_seen.first_seen_at, submitted.submitted_at)
      < videos_seen.first_ready_at
    THEN videos_seen.first_ready_at
  END::TIMESTAMPTZ                         AS first_ready_at, /* First observation with a ready video (UTC
                                                                 instant); NULL if nothing earlier shows
                                                                 the campaign without one */
  campaigns.observed_at::TIMESTAMPTZ       AS observed_at     /* When the API gave this answer (UTC
                                                                 instant) */
FROM campaigns
LEFT JOIN submitted
  ON submitted.campaign_id = campaigns.campaign_id
LEFT JOIN seen
  ON seen.campaign_id = campaigns.campaign_id
LEFT JOIN videos_seen
  ON videos_seen.campaign_id = campaigns.campaign_id
LEFT JOIN staging.status_words AS words
  ON words.status = campaigns.status
