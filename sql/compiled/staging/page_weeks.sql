-- grain: week
-- reads: staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE VIEW staging.page_weeks AS
WITH jobs AS (
  SELECT
    stg_klipit__jobs.job_id AS job_id,
    CAST(DATE_TRUNC('WEEK', stg_klipit__jobs.created_at AT TIME ZONE 'UTC') AS DATE) AS week
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
  WHERE
    stg_klipit__jobs.outcome = 'finished'
), counted AS (
  SELECT
    jobs.week AS week,
    COUNT(*) AS jobs
  FROM jobs AS jobs
  GROUP BY
    jobs.week
), scored AS (
  SELECT
    jobs.week AS week,
    COUNT(*) AS clips,
    AVG(clips.score) AS mean_score,
    QUANTILE_CONT(clips.score, [0.25, 0.5, 0.75]) AS quartiles,
    COUNT(*) FILTER(WHERE
      clips.score >= 80) AS clips_80_plus
  FROM jobs AS jobs
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
  GROUP BY
    jobs.week
)
SELECT
  CAST(counted.week AS DATE) AS week,
  CAST(counted.jobs AS BIGINT) AS jobs,
  CAST(COALESCE(scored.clips, 0) AS BIGINT) AS clips,
  CAST(scored.mean_score AS DOUBLE) AS mean_score,
  CAST(scored.quartiles[1] AS DOUBLE) AS p25_score,
  CAST(scored.quartiles[2] AS DOUBLE) AS median_score,
  CAST(scored.quartiles[3] AS DOUBLE) AS p75_score,
  CAST(COALESCE(scored.clips_80_plus, 0) AS BIGINT) AS clips_80_plus
FROM counted AS counted
LEFT JOIN scored AS scored
  ON scored.week IS NOT DISTINCT FROM counted.week
ORDER BY
  counted.week DESC;

COMMENT ON VIEW staging.page_weeks IS 'How the clips of all shows together score from week to week. One row per week with a complete job.';
COMMENT ON COLUMN staging.page_weeks.week IS 'Monday of the UTC week in which the job was created; NULL gathers the jobs without created_at';
COMMENT ON COLUMN staging.page_weeks.jobs IS 'Complete jobs, those without clips included';
COMMENT ON COLUMN staging.page_weeks.clips IS 'Their clips, unscored ones included';
COMMENT ON COLUMN staging.page_weeks.mean_score IS 'Mean score of the clips in points; NULL if none is scored';
COMMENT ON COLUMN staging.page_weeks.p25_score IS '25th percentile of the scores in points, interpolated; NULL if none is scored';
COMMENT ON COLUMN staging.page_weeks.median_score IS 'Median score of the clips in points; NULL if none is scored';
COMMENT ON COLUMN staging.page_weeks.p75_score IS '75th percentile of the scores in points, interpolated; NULL if none is scored';
COMMENT ON COLUMN staging.page_weeks.clips_80_plus IS 'Clips of 80 points or more';

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(jobs), 0)
      FROM staging.page_weeks AS page_weeks
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
