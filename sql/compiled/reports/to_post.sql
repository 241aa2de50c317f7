-- grain: clip_id
-- reads: reports.shareability, staging.show_scores, staging.stg_klipit__clips
CREATE VIEW reports.to_post AS
WITH best AS (
  SELECT
    shareability.best_clip_id AS best_clip_id,
    shareability.job_id AS job_id,
    shareability.episode AS episode,
    shareability.show_name AS show_name,
    shareability.guest_name AS guest_name,
    shareability.created_at AS created_at
  FROM reports.shareability AS shareability
  WHERE
    shareability.created_at >= COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP) - INTERVAL '30' DAYS
    AND NOT shareability.best_clip_id IS NULL
), clips AS (
  SELECT
    clips.clip_id AS clip_id,
    best.job_id AS job_id,
    best.episode AS episode,
    best.show_name AS show_name,
    best.guest_name AS guest_name,
    clips.moment_type AS moment_type,
    clips.score AS score,
    clips.reason AS reason,
    clips.hook_suggestion AS hook_suggestion,
    clips.start_seconds AS start_seconds,
    clips.end_seconds AS end_seconds,
    clips.duration_seconds AS duration_seconds,
    clips.media_url AS media_url,
    best.created_at AS created_at,
    clips.score - shows.median_score AS above_show_median,
    ROUND(ABS(clips.score - shows.median_score)) AS points,
    CASE
      WHEN REGEXP_MATCHES(best.show_name, '[^\s\pZ]')
      THEN 'the median of its show'
      ELSE 'the median of the clips without a show'
    END AS compared_with
  FROM best AS best
  INNER JOIN staging.stg_klipit__clips AS clips
    ON best.best_clip_id = clips.clip_id
  INNER JOIN staging.show_scores AS shows
    ON shows.show_name IS NOT DISTINCT FROM best.show_name
)
SELECT
  CAST(ROW_NUMBER() OVER (ORDER BY clips.score DESC, clips.start_seconds, clips.clip_id) AS BIGINT) AS rank,
  CAST(clips.clip_id AS TEXT) AS clip_id,
  CAST(clips.job_id AS TEXT) AS job_id,
  CAST(clips.episode AS TEXT) AS episode,
  CAST(clips.show_name AS TEXT) AS show_name,
  CAST(clips.guest_name AS TEXT) AS guest_name,
  CAST(clips.moment_type AS TEXT) AS moment_type,
  CAST(clips.score AS DOUBLE) AS score,
  CAST(CASE
    WHEN clips.points = 0
    THEN 'About ' || clips.compared_with
    ELSE CAST(clips.points AS BIGINT) || CASE WHEN clips.points = 1 THEN ' point ' ELSE ' points ' END || CASE WHEN clips.above_show_median > 0 THEN 'above ' ELSE 'below ' END || clips.compared_with
  END AS TEXT) AS why,
  CAST(clips.above_show_median AS DOUBLE) AS above_show_median,
  CAST(clips.reason AS TEXT) AS reason,
  CAST(clips.hook_suggestion AS TEXT) AS hook_suggestion,
  CAST(clips.start_seconds AS DOUBLE) AS start_seconds,
  CAST(clips.end_seconds AS DOUBLE) AS end_seconds,
  CAST(clips.duration_seconds AS DOUBLE) AS duration_seconds,
  CAST(clips.media_url AS TEXT) AS media_url,
  CAST(clips.created_at AS TIMESTAMPTZ) AS created_at
FROM clips AS clips
ORDER BY
  rank;

COMMENT ON VIEW reports.to_post IS 'Clips worth posting next, at the time of reading: the best of each episode of the last 30 days. One row per complete job of these days with a scored clip.';
COMMENT ON COLUMN reports.to_post.rank IS '1 is the best; of equal scores the clip that starts first, then by id';
COMMENT ON COLUMN reports.to_post.clip_id IS 'Klipit clip id';
COMMENT ON COLUMN reports.to_post.job_id IS 'Job that it was cut from';
COMMENT ON COLUMN reports.to_post.episode IS 'What to call its episode: the first line of the description, else the guest, else the job id';
COMMENT ON COLUMN reports.to_post.show_name IS 'Show, as submitted; NULL if not given';
COMMENT ON COLUMN reports.to_post.guest_name IS 'Guest, as submitted; NULL if not given';
COMMENT ON COLUMN reports.to_post.moment_type IS 'Kind of moment; the list is open; NULL if the API named none';
COMMENT ON COLUMN reports.to_post.score IS 'Points, higher is better';
COMMENT ON COLUMN reports.to_post.why IS 'How its score compares with the median of all clips of its show';
COMMENT ON COLUMN reports.to_post.above_show_median IS 'The score less that median, in points';
COMMENT ON COLUMN reports.to_post.reason IS 'Why it may be shared, in the API''s words; NULL if it gives none';
COMMENT ON COLUMN reports.to_post.hook_suggestion IS 'A first line for the post; NULL if the API gives none';
COMMENT ON COLUMN reports.to_post.start_seconds IS 'Where it starts in the episode, in seconds';
COMMENT ON COLUMN reports.to_post.end_seconds IS 'Where it ends in the episode, in seconds';
COMMENT ON COLUMN reports.to_post.duration_seconds IS 'Its length in seconds';
COMMENT ON COLUMN reports.to_post.media_url IS 'Download link; NULL until there is one. It may expire';
COMMENT ON COLUMN reports.to_post.created_at IS 'When the job was created (UTC instant)';

-- audit: is_key
SELECT
  clip_id AS clip_id
FROM reports.to_post AS to_post
GROUP BY
  clip_id
HAVING
  COUNT(*) > 1 OR clip_id IS NULL;

-- audit: is_key
SELECT
  job_id AS job_id
FROM reports.to_post AS to_post
GROUP BY
  job_id
HAVING
  COUNT(*) > 1 OR job_id IS NULL;

-- audit: is_key
SELECT
  rank AS rank
FROM reports.to_post AS to_post
GROUP BY
  rank
HAVING
  COUNT(*) > 1 OR rank IS NULL;
