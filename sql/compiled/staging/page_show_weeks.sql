-- grain: show_name, week
-- reads: reports.shareability_weekly, staging.show_scores
CREATE VIEW staging.page_show_weeks AS
WITH largest AS (
  SELECT
    show_scores.show_name AS show_name,
    show_scores.jobs AS jobs,
    show_scores.clips AS clips,
    show_scores.median_score AS median_score
  FROM staging.show_scores AS show_scores
  WHERE
    NOT show_scores.median_score IS NULL
  ORDER BY
    clips DESC,
    show_name
  LIMIT 9
)
SELECT
  CAST(largest.show_name AS TEXT) AS show_name,
  CAST(weekly.week AS DATE) AS week,
  CAST(weekly.median_score AS DOUBLE) AS median_score,
  CAST(largest.jobs AS BIGINT) AS show_jobs,
  CAST(largest.clips AS BIGINT) AS show_clips,
  CAST(largest.median_score AS DOUBLE) AS show_median_score
FROM largest AS largest
INNER JOIN reports.shareability_weekly AS weekly
  ON weekly.show_name IS NOT DISTINCT FROM largest.show_name
WHERE
  NOT weekly.median_score IS NULL AND NOT weekly.week IS NULL
ORDER BY
  show_median_score DESC,
  show_name,
  week;

COMMENT ON VIEW staging.page_show_weeks IS 'How the nine shows with the most clips score from week to week, and in all. One row per show and week with a scored clip.';
COMMENT ON COLUMN staging.page_show_weeks.show_name IS 'Show, as submitted; NULL gathers the jobs without one';
COMMENT ON COLUMN staging.page_show_weeks.week IS 'Monday of the UTC week of the job''s creation';
COMMENT ON COLUMN staging.page_show_weeks.median_score IS 'Median score of its clips of that week in points';
COMMENT ON COLUMN staging.page_show_weeks.show_jobs IS 'Complete jobs of the show, in all weeks';
COMMENT ON COLUMN staging.page_show_weeks.show_clips IS 'Their clips, unscored ones included';
COMMENT ON COLUMN staging.page_show_weeks.show_median_score IS 'Median score of these clips in points';

-- audit: unique_combination_of_columns
SELECT
  show_name AS show_name,
  week AS week
FROM staging.page_show_weeks AS page_show_weeks
WHERE
  TRUE
GROUP BY
  show_name,
  week
HAVING
  COUNT(*) > 1;

-- audit: not_null
SELECT
  *
FROM staging.page_show_weeks AS page_show_weeks
WHERE
  (
    week IS NULL OR median_score IS NULL OR show_median_score IS NULL
  ) AND TRUE;
