/* The 500 clips that score best of all; reports.clips has every clip. One row per clip. */
MODEL (
  name reports.top_clips,
  kind FULL,
  grain clip_id,
  references (job_id),
  audits (
    is_key(columns := (clip_id)),
    is_key(columns := (rank))
  )
);

WITH best AS (
  SELECT
    clip_id,
    job_id,
    moment_type,
    score,
    hook_suggestion,
    start_seconds,
    end_seconds,
    duration_seconds,
    media_url
  FROM staging.stg_klipit__clips
  WHERE score IS NOT NULL
  ORDER BY score DESC, start_seconds NULLS LAST, clip_id
  LIMIT 500
)
SELECT
  (
    ROW_NUMBER() OVER (ORDER BY best.score DESC, best.start_seconds NULLS LAST, best.clip_id)
  )::BIGINT                     AS rank,             /* 1 is the best; of equal scores the clip that starts
                                                        first, then by id */
  best.clip_id::TEXT            AS clip_id,          /* Klipit clip id */
  best.job_id::TEXT             AS job_id,           /* Job that it was cut from */
  jobs.show_name::TEXT          AS show_name,        /* Show, as submitted; NULL if not given */
  jobs.guest_name::TEXT         AS guest_name,       /* Guest, as submitted; NULL if not given */
  best.moment_type::TEXT        AS moment_type,      /* Kind of moment; the list is open */
  best.score::DOUBLE            AS score,            /* Points, higher is better */
  best.hook_suggestion::TEXT    AS hook_suggestion,  /* A first line for the post; NULL if the API gives
                                                        none */
  best.start_seconds::DOUBLE    AS start_seconds,    /* Where it starts in the episode, in seconds */
  best.end_seconds::DOUBLE      AS end_seconds,      /* Where it ends in the episode, in seconds */
  best.duration_seconds::DOUBLE AS duration_seconds, /* Its length in seconds */
  best.media_url::TEXT          AS media_url,        /* Download link; NULL until there is one. It may
                                                        expire */
  jobs.created_at::TIMESTAMPTZ  AS created_at        /* When the job was created (UTC instant) */
FROM best
LEFT JOIN staging.stg_klipit__jobs AS jobs
  ON jobs.job_id = best.job_id
ORDER BY rank
