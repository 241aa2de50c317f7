/* Clips worth posting next, at the time of reading: the best of each episode of the last 30 days. One row per
   complete job of these days with a scored clip. */
MODEL (
  name reports.to_post,
  kind VIEW,
  grain clip_id,
  references (job_id),
  audits (
    is_key(columns := (clip_id)),
    is_key(columns := (job_id)),
    is_key(columns := (rank))
  )
);

/* The best of an episode overlaps no better one: none of its job scores higher. */
WITH best AS (
  SELECT
    best_clip_id,
    job_id,
    episode,
    show_name,
    guest_name,
    created_at
  FROM reports.shareability
  WHERE
    best_clip_id IS NOT NULL
    AND created_at
      >= COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP) - INTERVAL '30 days'
), clips AS (
  SELECT
    clips.clip_id,
    best.job_id,
    best.episode,
    best.show_name,
    best.guest_name,
    clips.moment_type,
    clips.score,
    clips.reason,
    clips.hook_suggestion,
    clips.start_seconds,
    clips.end_seconds,
    clips.duration_seconds,
    clips.media_url,
    best.created_at,
    clips.score - shows.median_score AS above_show_median,
    ROUND(ABS(clips.score - shows.median_score)) AS points,
    CASE
      WHEN REGEXP_MATCHES(best.show_name, '[^\s\pZ]')
      THEN 'the median of its show'
      ELSE 'the median of the clips without a show'
    END AS compared_with
  FROM best
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.clip_id = best.best_clip_id
  INNER JOIN staging.show_scores AS shows
    ON shows.show_name IS NOT DISTINCT FROM best.show_name
)
SELECT
  (
    ROW_NUMBER() OVER (ORDER BY score DESC, start_seconds NULLS LAST, clip_id)
  )::BIGINT                 AS rank,              /* 1 is the best; of equal scores the clip that starts
                                                     first, then by id */
  clip_id::TEXT             AS clip_id,           /* Klipit clip id */
  job_id::TEXT              AS job_id,            /* Job that it was cut from */
  episode::TEXT             AS episode,           /* What to call its episode: the first line of the
                                                     description, else the guest, else the job id */
  show_name::TEXT           AS show_name,         /* Show, as submitted; NULL if not given */
  guest_name::TEXT          AS guest_name,        /* Guest, as submitted; NULL if not given */
  moment_type::TEXT         AS moment_type,       /* Kind of moment; the list is open; NULL if the API named
                                                     none */
  score::DOUBLE             AS score,             /* Points, higher is better */
  CASE
    WHEN points = 0
    THEN 'About ' || compared_with
    ELSE points::BIGINT || CASE WHEN points = 1 THEN ' point ' ELSE ' points ' END
      || CASE WHEN above_show_median > 0 THEN 'above ' ELSE 'below ' END || compared_with
  END::TEXT                 AS why,               /* How its score compares with the median of all clips of
                                                     its show */
  above_show_median::DOUBLE AS above_show_median, /* The score less that median, in points */
  reason::TEXT              AS reason,            /* Why it may be shared, in the API's words; NULL if it
                                                     gives none */
  hook_suggestion::TEXT     AS hook_suggestion,   /* A first line for the post; NULL if the API gives none */
  start_seconds::DOUBLE     AS start_seconds,     /* Where it starts in the episode, in seconds */
  end_seconds::DOUBLE       AS end_seconds,       /* Where it ends in the episode, in seconds */
  duration_seconds::DOUBLE  AS duration_seconds,  /* Its length in seconds */
  media_url::TEXT           AS media_url,         /* Download link; NULL until there is one. It may expire */
  created_at::TIMESTAMPTZ   AS created_at         /* When the job was created (UTC instant) */
FROM clips
ORDER BY rank
