-- grain: show_name, guest_name
-- reads: staging.show_scores, staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE TABLE reports.guests AS
WITH jobs AS (
  SELECT
    stg_klipit__jobs.job_id AS job_id,
    stg_klipit__jobs.show_name AS show_name,
    stg_klipit__jobs.guest_name AS guest_name
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
  WHERE
    stg_klipit__jobs.outcome = 'finished'
    AND REGEXP_MATCHES(stg_klipit__jobs.guest_name, '[^\s\pZ]')
), counted AS (
  SELECT
    jobs.show_name AS show_name,
    jobs.guest_name AS guest_name,
    COUNT(*) AS jobs
  FROM jobs AS jobs
  GROUP BY
    jobs.show_name,
    jobs.guest_name
), scored AS (
  SELECT
    jobs.show_name AS show_name,
    jobs.guest_name AS guest_name,
    COUNT(*) AS clips,
    COUNT(DISTINCT jobs.job_id) FILTER(WHERE
      NOT clips.score IS NULL) AS scored_jobs,
    AVG(clips.score) AS mean_score,
    QUANTILE_CONT(clips.score, 0.5) AS median_score,
    MAX(clips.score) AS best_score,
    COUNT(*) FILTER(WHERE
      clips.score >= 80) AS clips_80_plus
  FROM jobs AS jobs
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
  GROUP BY
    jobs.show_name,
    jobs.guest_name
)
SELECT
  CAST(counted.show_name AS TEXT) AS show_name,
  CAST(counted.guest_name AS TEXT) AS guest_name,
  CAST(counted.jobs AS BIGINT) AS jobs,
  CAST(COALESCE(scored.clips, 0) AS BIGINT) AS clips,
  CAST(scored.mean_score AS DOUBLE) AS mean_score,
  CAST(scored.median_score AS DOUBLE) AS median_score,
  CAST(scored.best_score AS DOUBLE) AS best_score,
  CAST(COALESCE(scored.clips_80_plus, 0) AS BIGINT) AS clips_80_plus,
  CAST((
    scored.mean_score - shows.mean_score
  ) AS DOUBLE) AS lift,
  CAST((
    shows.scored_jobs - COALESCE(scored.scored_jobs, 0) >= 3
    AND COALESCE(scored.scored_jobs, 0) >= 3
  ) AS BOOLEAN) AS enough_episodes
FROM counted AS counted
INNER JOIN staging.show_scores AS shows
  ON shows.show_name IS NOT DISTINCT FROM counted.show_name
LEFT JOIN scored AS scored
  ON counted.guest_name = scored.guest_name
  AND scored.show_name IS NOT DISTINCT FROM counted.show_name
ORDER BY
  enough_episodes DESC,
  lift DESC,
  counted.show_name,
  counted.guest_name;

COMMENT ON TABLE reports.guests IS 'Which guests give shareable clips, compared within their show. One row per show and named guest with a complete job.';
COMMENT ON COLUMN reports.guests.show_name IS 'Show, as submitted; NULL gathers the jobs without one';
COMMENT ON COLUMN reports.guests.guest_name IS 'Guest, as submitted';
COMMENT ON COLUMN reports.guests.jobs IS 'Complete jobs with this guest, those without clips included';
COMMENT ON COLUMN reports.guests.clips IS 'Their clips, unscored ones included';
COMMENT ON COLUMN reports.guests.mean_score IS 'Mean score of the clips in points; NULL if none is scored';
COMMENT ON COLUMN reports.guests.median_score IS 'Median score of the clips in points; NULL if none is scored';
COMMENT ON COLUMN reports.guests.best_score IS 'Highest score in points; NULL if none is scored';
COMMENT ON COLUMN reports.guests.clips_80_plus IS 'Clips of 80 points or more';
COMMENT ON COLUMN reports.guests.lift IS 'Its mean score less the mean of all clips of the show, in points; NULL if none is scored';
COMMENT ON COLUMN reports.guests.enough_episodes IS 'At least 3 jobs with a scored clip, and 3 others of the show: below that, the lift is mostly chance';

-- audit: unique_combination_of_columns
SELECT
  show_name AS show_name,
  guest_name AS guest_name
FROM reports.guests AS guests
WHERE
  TRUE
GROUP BY
  show_name,
  guest_name
HAVING
  COUNT(*) > 1;

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(jobs), 0)
      FROM reports.guests AS guests
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM reports.shareability AS shareability
      WHERE
        REGEXP_MATCHES(guest_name, '[^\s\pZ]')
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;
