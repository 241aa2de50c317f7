-- grain: month, show_name
-- reads: staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE TABLE reports.shareability_monthly AS
WITH jobs AS (
  SELECT
    stg_klipit__jobs.job_id AS job_id,
    stg_klipit__jobs.show_name AS show_name,
    CAST(DATE_TRUNC('MONTH', stg_klipit__jobs.created_at AT TIME ZONE 'UTC') AS DATE) AS month
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
  WHERE
    stg_klipit__jobs.outcome = 'finished'
), counted AS (
  SELECT
    jobs.month AS month,
    jobs.show_name AS show_name,
    COUNT(*) AS jobs
  FROM jobs AS jobs
  GROUP BY
    jobs.month,
    jobs.show_name
), scored AS (
  SELECT
    jobs.month AS month,
    jobs.show_name AS show_name,
    COUNT(*) AS clips,
    COUNT(clips.score) AS scored_clips,
    AVG(clips.score) AS mean_score,
    QUANTILE_CONT(clips.score, 0.5) AS median_score,
    MAX(clips.score) AS best_score,
    COUNT(*) FILTER(WHERE
      clips.score >= 80) AS clips_80_plus
  FROM jobs AS jobs
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
  GROUP BY
    jobs.month,
    jobs.show_name
)
SELECT
  CAST(counted.month AS DATE) AS month,
  CAST(counted.show_name AS TEXT) AS show_name,
  CAST(counted.jobs AS BIGINT) AS jobs,
  CAST(COALESCE(scored.clips, 0) AS BIGINT) AS clips,
  CAST(scored.mean_score AS DOUBLE) AS mean_score,
  CAST(scored.median_score AS DOUBLE) AS median_score,
  CAST(scored.best_score AS DOUBLE) AS best_score,
  CAST(COALESCE(scored.clips_80_plus, 0) AS BIGINT) AS clips_80_plus,
  CAST(COALESCE(scored.scored_clips, 0) AS BIGINT) AS scored_clips
FROM counted AS counted
LEFT JOIN scored AS scored
  ON scored.month IS NOT DISTINCT FROM counted.month
  AND scored.show_name IS NOT DISTINCT FROM counted.show_name
ORDER BY
  counted.month DESC,
  counted.show_name;

COMMENT ON TABLE reports.shareability_monthly IS 'How each show''s clips score from month to month. One row per month and show with a complete job.';
COMMENT ON COLUMN reports.shareability_monthly.month IS 'First day of the UTC month in which the job was created';
COMMENT ON COLUMN reports.shareability_monthly.show_name IS 'Show, as submitted; NULL gathers the jobs without one';
COMMENT ON COLUMN reports.shareability_monthly.jobs IS 'Complete jobs, those without clips included';
COMMENT ON COLUMN reports.shareability_monthly.clips IS 'Their clips, unscored ones included';
COMMENT ON COLUMN reports.shareability_monthly.mean_score IS 'Mean score of the clips in points; NULL if none is scored';
COMMENT ON COLUMN reports.shareability_monthly.median_score IS 'Median score of the clips in points; NULL if none is scored';
COMMENT ON COLUMN reports.shareability_monthly.best_score IS 'Highest score in points; NULL if none is scored';
COMMENT ON COLUMN reports.shareability_monthly.clips_80_plus IS 'Clips of 80 points or more';
COMMENT ON COLUMN reports.shareability_monthly.scored_clips IS 'Clips with a score: the weight of the mean';

-- audit: unique_combination_of_columns
SELECT
  month AS month,
  show_name AS show_name
FROM reports.shareability_monthly AS shareability_monthly
WHERE
  TRUE
GROUP BY
  month,
  show_name
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
      FROM reports.shareability_monthly AS shareability_monthly
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM reports.shareability AS shareability
      WHERE
        TRUE
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;
