/* How the clips of all shows together score from week to week. One row per week with a complete job. */
MODEL (
  name staging.page_weeks,
  kind VIEW,
  grain week,
  audits (
    sums_to_rows(total := jobs, of := reports.shareability)
  )
);

/* Every clip weighs the same, regardless of its job or show. */
WITH jobs AS (
  SELECT
    job_id,
    DATE_TRUNC('WEEK', created_at AT TIME ZONE 'UTC')::DATE AS week
  FROM staging.stg_klipit__jobs
  WHERE outcome = 'finished'
), counted AS (
  SELECT
    week,
    COUNT(*) AS jobs
  FROM jobs
  GROUP BY week
), scored AS (
  SELECT
    jobs.week,
    COUNT(*) AS clips,
    AVG(clips.score) AS mean_score,
    QUANTILE_CONT(clips.score, [0.25, 0.5, 0.75]) AS quartiles,
    COUNT(*) FILTER (WHERE clips.score >= 80) AS clips_80_plus
  FROM jobs
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
  GROUP BY jobs.week
)
SELECT
  counted.week::DATE                AS week,          /* Monday of the UTC week in which the job was created;
                                                         NULL gathers the jobs without created_at */
  counted.jobs::BIGINT              AS jobs,          /* Complete jobs, those without clips included */
  COALESCE(scored.clips, 0)::BIGINT AS clips,         /* Their clips, unscored ones included */
  scored.mean_score::DOUBLE         AS mean_score,    /* Mean score of the clips in points; NULL if none is
                                                         scored */
  scored.quartiles[1]::DOUBLE       AS p25_score,     /* 25th percentile of the scores in points,
                                                         interpolated; NULL if none is scored */
  scored.quartiles[2]::DOUBLE       AS median_score,  /* Median score of the clips in points; NULL if none
                                                         is scored */
  scored.quartiles[3]::DOUBLE       AS p75_score,     /* 75th percentile of the scores in points,
                                                         interpolated; NULL if none is scored */
  COALESCE(scored.clips_80_plus, 0)::BIGINT
                                    AS clips_80_plus  /* Clips of 80 points or more */
FROM counted
LEFT JOIN scored
  ON scored.week IS NOT DISTINCT FROM counted.week
ORDER BY counted.week DESC NULLS LAST
