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
  WHERE outcome = 'finished'
), counted AS (
  SELECT
    week,
    show_name,
    COUNT(*) AS jobs
  FROM jobs
  GROUP BY week, show_name
), scored AS (
  SELECT
    jobs.week,
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
  GROUP BY jobs.week, jobs.show_name
)
SELECT
  counted.week::DATE                AS week,          /* Monday of the UTC week of the job's creation */
  counted.show_name::TEXT           AS show_name,     /* Show, as submitted; NULL gathers the jobs without
                                                         one */
  counted.jobs::BIGINT              AS jobs,          /* Complete jobs, those without clips included */
  COALESCE(scored.clips, 0)::BIGINT AS clips,         /* Their clips, unscored ones included */
  scored.mean_score::DOUBLE         AS mean_score,    /* Mean score of the clips in points; NULL if none is
                                                         scored */
  scored.median_score::DOUBLE       AS median_score,  /* Median score of the clips in points; NULL if none is
                                                         scored */
  scored.best_score::DOUBLE         AS best_score,    /* Highest score in points; NULL if none is scored */
  COALESCE(scored.clips_80_plus, 0)::BIGINT
                                    AS clips_80_plus, /* Clips of 80 points or more */
  COALESCE(scored.scored_clips, 0)::BIGINT
                                    AS scored_clips   /* Clips with a score: the weight of the mean */
FROM counted
LEFT JOIN scored
  ON scored.week IS NOT DISTINCT FROM counted.week
  AND scored.show_name IS NOT DISTINCT FROM counted.show_name
ORDER BY counted.week DESC NULLS LAST, counted.show_name
