/* How each show's clips score from month to month. One row per month and show with a complete job. */
MODEL (
  name reports.shareability_monthly,
  kind FULL,
  grain (month, show_name),
  audits (
    unique_combination_of_columns(columns := (month, show_name)),
    sums_to_rows(total := jobs, of := reports.shareability)
  )
);

WITH jobs AS (
  SELECT
    job_id,
    show_name,
    DATE_TRUNC('MONTH', created_at AT TIME ZONE 'UTC')::DATE AS month
  FROM staging.stg_klipit__jobs
  WHERE outcome = 'finished'
), counted AS (
  SELECT
    month,
    show_name,
    COUNT(*) AS jobs
  FROM jobs
  GROUP BY month, show_name
), scored AS (
  SELECT
    jobs.month,
    jobs.show_name,
    COUNT(*) AS clips,
    COUNT(clips.score) AS scored_clips,
    AVG(clips.score) AS mean_score,
    QUANTILE_CONT(clips.score, 0.5) AS median_score,
    MAX(clips.score) AS best_score,
    COUNT(*) FILTER (WHERE clips.score >= 80) AS clips_80_plus
  FROM jobs
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
  GROUP BY jobs.month, jobs.show_name
)
SELECT
  counted.month::DATE                AS month,         /* First day of the UTC month in which the job was
                                                          created */
  counted.show_name::TEXT            AS show_name,     /* Show, as submitted; NULL gathers the jobs without
                                                          one */
  counted.jobs::BIGINT               AS jobs,          /* Complete jobs, those without clips included */
  COALESCE(scored.clips, 0)::BIGINT  AS clips,         /* Their clips, unscored ones included */
  scored.mean_score::DOUBLE          AS mean_score,    /* Mean score of the clips in points; NULL if none is
                                                          scored */
  scored.median_score::DOUBLE        AS median_score,  /* Median score of the clips in points; NULL if none is
                                                          scored */
  scored.best_score::DOUBLE          AS best_score,    /* Highest score in points; NULL if none is scored */
  COALESCE(scored.clips_80_plus, 0)::BIGINT
                                     AS clips_80_plus, /* Clips of 80 points or more */
  COALESCE(scored.scored_clips, 0)::BIGINT
                                     AS scored_clips   /* Clips with a score: the weight of the mean */
FROM counted
LEFT JOIN scored
  ON scored.month IS NOT DISTINCT FROM counted.month
  AND scored.show_name IS NOT DISTINCT FROM counted.show_name
ORDER BY counted.month DESC NULLS LAST, counted.show_name
