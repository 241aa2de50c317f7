/* How each show's clips score from week to week. One row per week and show with a complete job. */
MODEL (
  name reports.shareability_weekly,
  kind FULL,
  grain (week, show_name),
  audits (
    unique_combination_of_columns(columns := (week, show_name)),
    sums_to_rows(total := jobs, of := reports.shareability)
  )
);

WITH jobs AS (
  SELECT
    job_id,
    show_name,
    DATE_TRUNC('WEEK', created_at AT TIME ZONE 'UTC')::DATE AS week
  FROM staging.stg_klipit__jobs
  WHERE
    outcome = 'finished'
)
SELECT
  jobs.week::DATE AS week, /* Monday of the UTC week in which the job was made */
  jobs.show_name::TEXT AS show_name, /* Show, as submitted; NULL gathers the jobs without one */
  COUNT(DISTINCT jobs.job_id)::BIGINT AS jobs, /* Complete jobs, those without clips included */
  COUNT(clips.clip_id)::BIGINT AS clips, /* Their clips, unscored ones included */
  AVG(clips.score)::DOUBLE AS mean_score, /* Mean score of the clips in points; NULL where none is scored */
  QUANTILE_CONT(clips.score, 0.5)::DOUBLE AS median_score, /* Median score of the clips in points; NULL where none is scored */
  MAX(clips.score)::DOUBLE AS best_score, /* Highest score in points; NULL where none is scored */
  (
    COUNT(*) FILTER(WHERE
      clips.score >= 80)
  )::BIGINT AS clips_80_plus /* Clips of 80 points or more */
FROM jobs
LEFT JOIN staging.stg_klipit__clips AS clips
  ON clips.job_id = jobs.job_id
GROUP BY
  jobs.week,
  jobs.show_name
ORDER BY
  week DESC NULLS LAST,
  show_name
