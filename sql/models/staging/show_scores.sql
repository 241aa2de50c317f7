/* How the clips of each show score. One row per show with a complete job. */
MODEL (
  name staging.show_scores,
  kind FULL,
  grain show_name,
  audits (
    unique_values(columns := (show_name)),
    sums_to_rows(total := jobs, of := reports.shareability)
  )
);

/* Every clip weighs the same, regardless of its job or show. */
WITH jobs AS (
  SELECT
    job_id,
    show_name
  FROM staging.stg_klipit__jobs
  WHERE outcome = 'finished'
), scored AS (
  SELECT
    jobs.show_name,
    COUNT(*) AS clips,
    COUNT(clips.score) AS scored_clips,
    AVG(clips.score) AS mean_score,
    QUANTILE_CONT(clips.score, [0.25, 0.5, 0.75]) AS quartiles,
    COUNT(*) FILTER (WHERE clips.score >= 80) AS clips_80_plus
  FROM jobs
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
  GROUP BY jobs.show_name
), scored_by_job AS (
  SELECT
    job_id,
    COUNT(score) AS scored_clips,
    SUM(score) AS points
  FROM staging.stg_klipit__clips
  WHERE score IS NOT NULL
  GROUP BY job_id
), counted AS (
  /* The clips of an episode resemble each other, so chance is in the episodes: a mean is as uncertain as
     they differ in the points that they are above or below it. */
  SELECT
    jobs.show_name,
    COUNT(*) AS jobs,
    COUNT(by_job.job_id) AS scored_jobs,
    SUM(POWER(by_job.points - by_job.scored_clips * scored.mean_score, 2)) AS squares
  FROM jobs
  LEFT JOIN scored_by_job AS by_job
    ON by_job.job_id = jobs.job_id
  LEFT JOIN scored
    ON scored.show_name IS NOT DISTINCT FROM jobs.show_name
  GROUP BY jobs.show_name
)
SELECT
  counted.show_name::TEXT                   AS show_name,     /* Show, as submitted; NULL gathers the jobs
                                                                 without one */
  counted.jobs::BIGINT                      AS jobs,          /* Complete jobs, those without clips
                                                                 included */
  COALESCE(scored.clips, 0)::BIGINT         AS clips,         /* Their clips, unscored ones included */
  scored.mean_score::DOUBLE                 AS mean_score,    /* Mean score of the clips in points; NULL if
                                                                 none is scored */
  scored.quartiles[1]::DOUBLE               AS p25_score,     /* 25th percentile of the scores in points,
                                                                 interpolated; NULL if none is scored */
  scored.quartiles[2]::DOUBLE               AS median_score,  /* Median score of the clips in points; NULL if
                                                                 none is scored */
  scored.quartiles[3]::DOUBLE               AS p75_score,     /* 75th percentile of the scores in points,
                                                                 interpolated; NULL if none is scored */
  COALESCE(scored.clips_80_plus, 0)::BIGINT AS clips_80_plus, /* Clips of 80 points or more */
  counted.scored_jobs::BIGINT               AS scored_jobs,   /* Complete jobs with a scored clip */
  (
    SQRT(counted.squares * counted.scored_jobs / NULLIF(counted.scored_jobs - 1, 0)) / scored.scored_clips
  )::DOUBLE                                 AS standard_error /* Of the mean score in points, if other
                                                                 episodes had come; NULL below 2 scored
                                                                 jobs */
FROM counted
LEFT JOIN scored
  ON scored.show_name IS NOT DISTINCT FROM counted.show_name
ORDER BY scored.mean_score DESC NULLS LAST, counted.show_name
