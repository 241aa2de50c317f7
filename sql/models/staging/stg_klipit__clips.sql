/* One row per clip, as last read. */
MODEL (
  name staging.stg_klipit__clips,
  kind VIEW,
  grain clip_id,
  references (job_id),
  audits (
    is_key(columns := (clip_id)),
    belongs_to(key := job_id, parent := klipit.jobs, parent_key := id)
  )
);

SELECT
  id::TEXT                 AS clip_id,          /* Klipit clip id */
  job_id::TEXT             AS job_id,           /* Job that the clip was cut from */
  CASE WHEN REGEXP_MATCHES(moment_type, '[^\s\pZ]') THEN moment_type END::TEXT
                           AS moment_type,      /* Kind of moment; the list is open; NULL if blank */
  reason::TEXT             AS reason,           /* Why it may be shared, in the API's words */
  hook_suggestion::TEXT    AS hook_suggestion,  /* A first line for the post; NULL if the API gives none */
  media_url::TEXT          AS media_url,        /* Download link; NULL until there is one */
  CASE WHEN ABS(shareability_score) < 1e15 THEN shareability_score END::DOUBLE
                           AS score,            /* Points, higher is better; NULL if unscored */
  start_seconds::DOUBLE    AS start_seconds,    /* Where the clip starts in the episode, in seconds */
  end_seconds::DOUBLE      AS end_seconds,      /* Where it ends in the episode, in seconds */
  duration_seconds::DOUBLE AS duration_seconds, /* Its length in seconds */
  observed_at::TIMESTAMPTZ AS observed_at       /* When the API gave this answer (UTC instant) */
FROM klipit.clips
