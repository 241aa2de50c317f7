/* Clips not worth posting next to a better one. One row per clip of which a clip of the same job with a
   higher score shows more than half. */
MODEL (
  name staging.overlapped_clips,
  kind FULL,
  grain clip_id,
  audits (
    is_key(columns := (clip_id))
  )
);

/* DISTINCT, since DuckDB compares a semi join on these conditions clip by clip: at 100,000 clips 90 s. */
SELECT DISTINCT
  worse.clip_id::TEXT AS clip_id /* Klipit clip id */
FROM staging.stg_klipit__clips AS worse
INNER JOIN staging.stg_klipit__clips AS better
  ON better.job_id = worse.job_id
  AND better.score > worse.score
  /* NULL in none of the four, which LEAST and GREATEST would leave out. */
  AND better.start_seconds < worse.end_seconds
  AND better.end_seconds > worse.start_seconds
  AND LEAST(better.end_seconds, worse.end_seconds) - GREATEST(better.start_seconds, worse.start_seconds)
    > (worse.end_seconds - worse.start_seconds) / 2
WHERE worse.end_seconds > worse.start_seconds
