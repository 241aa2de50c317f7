-- grain: clip_id
-- reads: klipit.clips
CREATE VIEW staging.stg_klipit__clips AS
SELECT
  CAST(clips.id AS TEXT) AS clip_id,
  CAST(clips.job_id AS TEXT) AS job_id,
  CAST(CASE WHEN REGEXP_MATCHES(clips.moment_type, '[^\s\pZ]') THEN clips.moment_type END AS TEXT) AS moment_type,
  CAST(clips.reason AS TEXT) AS reason,
  CAST(clips.hook_suggestion AS TEXT) AS hook_suggestion,
  CAST(clips.media_url AS TEXT) AS media_url,
  CAST(CASE WHEN ABS(clips.shareability_score) < 1e15 THEN clips.shareability_score END AS DOUBLE) AS score,
  CAST(clips.start_seconds AS DOUBLE) AS start_seconds,
  CAST(clips.end_seconds AS DOUBLE) AS end_seconds,
  CAST(clips.duration_seconds AS DOUBLE) AS duration_seconds,
  CAST(clips.observed_at AS TIMESTAMPTZ) AS observed_at
FROM klipit.clips AS clips;

COMMENT ON VIEW staging.stg_klipit__clips IS 'One row per clip, as last read.';
COMMENT ON COLUMN staging.stg_klipit__clips.clip_id IS 'Klipit clip id';
COMMENT ON COLUMN staging.stg_klipit__clips.job_id IS 'Job that the clip was cut from';
COMMENT ON COLUMN staging.stg_klipit__clips.moment_type IS 'Kind of moment; the list is open; NULL if blank';
COMMENT ON COLUMN staging.stg_klipit__clips.reason IS 'Why it may be shared, in the API''s words';
COMMENT ON COLUMN staging.stg_klipit__clips.hook_suggestion IS 'A first line for the post; NULL if the API gives none';
COMMENT ON COLUMN staging.stg_klipit__clips.media_url IS 'Download link; NULL until there is one';
COMMENT ON COLUMN staging.stg_klipit__clips.score IS 'Points, higher is better; NULL if unscored';
COMMENT ON COLUMN staging.stg_klipit__clips.start_seconds IS 'Where the clip starts in the episode, in seconds';
COMMENT ON COLUMN staging.stg_klipit__clips.end_seconds IS 'Where it ends in the episode, in seconds';
COMMENT ON COLUMN staging.stg_klipit__clips.duration_seconds IS 'Its length in seconds';
COMMENT ON COLUMN staging.stg_klipit__clips.observed_at IS 'When the API gave this answer (UTC instant)';

-- audit: is_key
SELECT
  clip_id AS clip_id
FROM staging.stg_klipit__clips AS stg_klipit__clips
GROUP BY
  clip_id
HAVING
  COUNT(*) > 1 OR clip_id IS NULL;

-- audit: belongs_to
SELECT
  child.job_id AS without_parent
FROM staging.stg_klipit__clips AS child
ANTI JOIN klipit.jobs AS parent
  ON parent.id = child.job_id;
