-- grain: clip_id
-- reads: staging.stg_klipit__clips
CREATE TABLE staging.overlapped_clips AS
SELECT DISTINCT
  CAST(worse.clip_id AS TEXT) AS clip_id
FROM staging.stg_klipit__clips AS worse
INNER JOIN staging.stg_klipit__clips AS better
  ON better.end_seconds > worse.start_seconds
  AND better.job_id = worse.job_id
  AND better.score > worse.score
  AND better.start_seconds < worse.end_seconds
  AND (
    worse.end_seconds - worse.start_seconds
  ) / 2 < LEAST(better.end_seconds, worse.end_seconds) - GREATEST(better.start_seconds, worse.start_seconds)
WHERE
  worse.end_seconds > worse.start_seconds;

COMMENT ON TABLE staging.overlapped_clips IS 'Clips not worth posting next to a better one. One row per clip of which a clip of the same job with a higher score shows more than half.';
COMMENT ON COLUMN staging.overlapped_clips.clip_id IS 'Klipit clip id';

-- audit: is_key
SELECT
  clip_id AS clip_id
FROM staging.overlapped_clips AS overlapped_clips
GROUP BY
  clip_id
HAVING
  COUNT(*) > 1 OR clip_id IS NULL;
