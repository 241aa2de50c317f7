/* How the nine shows with the most clips score from week to week, and in all. One row per show and week with
   a scored clip. */
MODEL (
  name staging.page_show_weeks,
  kind VIEW,
  grain (show_name, week),
  audits (
    unique_combination_of_columns(columns := (show_name, week)),
    not_null(columns := (week, median_score, show_median_score))
  )
);

/* Nine, since nobody compares more small charts than that with each other. */
WITH largest AS (
  SELECT
    show_name,
    jobs,
    clips,
    median_score
  FROM staging.show_scores
  WHERE median_score IS NOT NULL
  ORDER BY clips DESC, show_name
  LIMIT 9
)
SELECT
  largest.show_name::TEXT       AS show_name,         /* Show, as submitted; NULL gathers the jobs without
                                                         one */
  weekly.week::DATE             AS week,              /* Monday of the UTC week of the job's creation */
  weekly.median_score::DOUBLE   AS median_score,      /* Median score of its clips of that week in points */
  largest.jobs::BIGINT          AS show_jobs,         /* Complete jobs of the show, in all weeks */
  largest.clips::BIGINT         AS show_clips,        /* Their clips, unscored ones included */
  largest.median_score::DOUBLE  AS show_median_score  /* Median score of these clips in points */
FROM largest
INNER JOIN reports.shareability_weekly AS weekly
  ON weekly.show_name IS NOT DISTINCT FROM largest.show_name
WHERE weekly.week IS NOT NULL AND weekly.median_score IS NOT NULL
ORDER BY show_median_score DESC, show_name, week
