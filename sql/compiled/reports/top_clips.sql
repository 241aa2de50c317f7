-- grain: clip_id
-- reads: staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE TABLE reports.top_clips AS
WITH best AS (
  SELECT
    stg_klipit__clips.clip_id AS clip_id,
    stg_klipit__clips.job_id AS job_id,
    stg_klipit__clips.moment_type AS moment_type,
    stg_klipit__clips.score AS score,
    stg_klipit__clips.hook_suggestion AS hook_suggestion,
    stg_klipit__clips.start_seconds AS start_seconds,
    stg_klipit__clips.end_seconds AS end_seconds,
    stg_klipit__clips.duration_seconds AS duration_seconds,
    stg_klipit__clips.media_url AS media_url
  FROM staging.stg_klipit__clips AS stg_klipit__clips
  WHERE
    NOT stg_klipit__clips.score IS NULL
  ORDER BY
    score DESC,
    start_seconds,
    clip_id
  LIMIT 500
)
SELECT
  CAST(ROW_NUMBER() OVER (ORDER BY best.score DESC, best.start_seconds, best.clip_id) AS BIGINT) AS rank,
  CAST(best.clip_id AS TEXT) AS clip_id,
  CAST(best.job_id AS TEXT) AS job_id,
  CAST(jobs.show_name AS TEXT) AS show_name,
  CAST(jobs.guest_name AS TEXT) AS guest_name,
  CAST(best.moment_type AS TEXT) AS moment_type,
  CAST(best.score AS DOUBLE) AS score,
  CAST(best.hook_suggestion AS TEXT) AS hook_suggestion,
  CAST(best.start_seconds AS DOUBLE) AS start_seconds,
  CAST(best.end_seconds AS DOUBLE) AS end_seconds,
  CAST(best.duration_seconds AS DOUBLE) AS duration_seconds,
  CAST(best.media_url AS TEXT) AS media_url,
  CAST(jobs.created_at AS TIMESTAMPTZ) AS created_at
FROM best AS best
LEFT JOIN staging.stg_klipit__jobs AS jobs
  ON best.job_id = jobs.job_id
ORDER BY
  rank;

COMMENT ON TABLE reports.top_clips IS 'The 500 clips that score best of all; reports.clips has every clip. One row per clip.';
COMMENT ON COLUMN reports.top_clips.rank IS '1 is the best; of equal scores the clip that starts first, then by id';
COMMENT ON COLUMN reports.top_clips.clip_id IS 'Klipit clip id';
COMMENT ON COLUMN reports.top_clips.job_id IS 'Job that it was cut from';
COMMENT ON COLUMN reports.top_clips.show_name IS 'Show, as submitted; NULL if not given';
COMMENT ON COLUMN reports.top_clips.guest_name IS 'Guest, as submitted; NULL if not given';
COMMENT ON COLUMN reports.top_clips.moment_type IS 'Kind of moment; the list is open';
COMMENT ON COLUMN reports.top_clips.score IS 'Points, higher is better';
COMMENT ON COLUMN reports.top_clips.hook_suggestion IS 'A first line for the post; NULL if the API gives none';
COMMENT ON COLUMN reports.top_clips.start_seconds IS 'Where it starts in the episode, in seconds';
COMMENT ON COLUMN reports.top_clips.end_seconds IS 'Where it ends in the episode, in seconds';
COMMENT ON COLUMN reports.top_clips.duration_seconds IS 'Its length in seconds';
COMMENT ON COLUMN reports.top_clips.media_url IS 'Download link; NULL until there is one. It may expire';
COMMENT ON COLUMN reports.top_clips.created_at IS 'When the job was created (UTC instant)';

-- audit: is_key
SELECT
  clip_id AS clip_id
FROM reports.top_clips AS top_clips
GROUP BY
  clip_id
HAVING
  COUNT(*) > 1 OR clip_id IS NULL;

-- audit: is_key
SELECT
  rank AS rank
FROM reports.top_clips AS top_clips
GROUP BY
  rank
HAVING
  COUNT(*) > 1 OR rank IS NULL;
