/* How the clips of each show score. One row per show with a complete job. */
MODEL (
  name staging.page_shows,
  kind VIEW,
  grain show_name,
  audits (
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
), counted AS (
  SELECT
    show_name,
    COUNT(*) AS jobs
  FROM jobs
  GROUP BY show_name
), scored AS (
  SELECT
    jobs.show_name,
    COUNT(*) AS clips,
    AVG(clips.score) AS mean_score,
    QUANTILE_CONT(clips.score, [0.25, 0.5, 0.75]) AS quartiles,
    COUNT(*) FILTER (WHERE clips.score >= 80) AS clips_80_plus
  FROM jobs
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
  GROUP BY jobs.show_name
)
SELECT
  counted.show_name::TEXT           AS show_name,     /* Show, as submitted; NULL gathers the jobs without
                                                         one */
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
  ON scored.show_name IS NOT DISTINCT FROM counted.show_name
ORDER BY scored.mean_score DESC NULLS LAST, counted.show_name
