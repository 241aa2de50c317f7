/* What failed, and what the API said. One row per failed job, campaign or video. */
MODEL (
  name reports.failures,
  kind FULL,
  grain (service, id, video_id),
  audits (
    unique_combination_of_columns(columns := (service, id, video_id)),
    sums_to_rows(
      total := (kind = 'job')::INT,
      of := staging.stg_klipit__jobs,
      condition := outcome = 'failed'
    ),
    sums_to_rows(
      total := (kind = 'campaign')::INT,
      of := staging.stg_clipus__campaigns,
      condition := outcome = 'failed'
    ),
    sums_to_rows(
      total := (kind = 'video')::INT,
      of := staging.stg_clipus__videos,
      condition := outcome = 'failed'
    )
  )
);

WITH jobs_seen AS (
  SELECT
    observations.job_id,
    MIN(observations.observed_at) AS seen_at
  FROM klipit.job_observations AS observations
  INNER JOIN staging.status_words AS words
    ON words.status = observations.status AND words.outcome = 'failed'
  GROUP BY observations.job_id
), campaigns_seen AS (
  SELECT
    observations.campaign_id,
    MIN(observations.observed_at) AS seen_at
  FROM clipus.campaign_observations AS observations
  INNER JOIN staging.status_words AS words
    ON words.status = observations.status AND words.outcome = 'failed'
  GROUP BY observations.campaign_id
), videos_seen AS (
  SELECT
    observations.campaign_id,
    observations.video_id,
    MIN(observations.observed_at) AS seen_at
  FROM clipus.video_observations AS observations
  INNER JOIN staging.status_words AS words
    ON words.status = observations.status AND words.outcome = 'failed'
  GROUP BY observations.campaign_id, observations.video_id
), failed AS (
  SELECT
    'klipit' AS service,
    'job' AS kind,
    jobs.job_id AS id,
    NULL AS video_id,
    jobs.show_name AS name,
    jobs.episode AS episode,
    jobs.status AS status,
    jobs.error AS error,
    jobs.created_at AS created_at,
    COALESCE(jobs_seen.seen_at, jobs.observed_at) AS seen_at
  FROM staging.stg_klipit__jobs AS jobs
  LEFT JOIN jobs_seen
    ON jobs_seen.job_id = jobs.job_id
  WHERE jobs.outcome = 'failed'
  UNION ALL
  SELECT
    'clipus',
    'campaign',
    campaigns.campaign_id,
    NULL,
    COALESCE(campaigns.title, campaigns.url),
    NULL,
    campaigns.status,
    NULL,
    campaigns.created_at,
    COALESCE(campaigns_seen.seen_at, campaigns.observed_at)
  FROM staging.stg_clipus__campaigns AS campaigns
  LEFT JOIN campaigns_seen
    ON campaigns_seen.campaign_id = campaigns.campaign_id
  WHERE campaigns.outcome = 'failed'
  UNION ALL
  SELECT
    'clipus',
    'video',
    videos.campaign_id,
    videos.video_id,
    COALESCE(campaigns.title, campaigns.url),
    NULL,
    videos.status,
    NULL,
    campaigns.created_at,
    COALESCE(videos_seen.seen_at, videos.observed_at)
  FROM staging.stg_clipus__videos AS videos
  INNER JOIN staging.stg_clipus__campaigns AS campaigns
    ON campaigns.campaign_id = videos.campaign_id
  LEFT JOIN videos_seen
    ON videos_seen.campaign_id = videos.campaign_id AND videos_seen.video_id = videos.video_id
  WHERE videos.outcome = 'failed'
)
SELECT
  service::TEXT           AS service,    /* klipit or clipus */
  kind::TEXT              AS kind,       /* job, campaign or video */
  id::TEXT                AS id,         /* Klipit job id, or Clipus campaign id */
  video_id::TEXT          AS video_id,   /* Clipus video id within the campaign; NULL for a job or a campaign
                                            as a whole */
  name::TEXT              AS name,       /* Show of the job, or title of the campaign, else its URL; NULL if
                                            not given */
  episode::TEXT           AS episode,    /* What to call the job's episode: the first line of the description,
                                            else the guest, else the job id; NULL for Clipus */
  status::TEXT            AS status,     /* The API's own word */
  error::TEXT             AS error,      /* Why it failed, in the API's words; NULL if it gives no reason, as
                                            Clipus does */
  created_at::TIMESTAMPTZ AS created_at, /* When the job or campaign was created (UTC instant) */
  seen_at::TIMESTAMPTZ    AS seen_at     /* When a sync first saw that it had failed (UTC instant) */
FROM failed
ORDER BY created_at DESC NULLS LAST, service, id, video_id NULLS FIRST
