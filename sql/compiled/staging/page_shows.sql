-- grain: show_name
-- reads: staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE VIEW staging.page_shows AS
WITH jobs AS (
  SELECT
    stg_klipit__jobs.job_id AS job_id,
    stg_klipit__jobs.show_name AS show_name
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
  WHERE
    stg_klipit__jobs.outcome = 'finished'
), counted AS (
  SELECT
    jobs.show_name AS show_name,
    COUNT(*) AS jobs
  FROM jobs AS jobs
  GROUP BY
    jobs.show_name
), scored AS (
  SELECT
    jobs.show_name AS show_name,
    COUNT(*) AS clips,
    AVG(clips.score) AS mean_score,
    QUANTILE_CONT(clips.score, [0.25, 0.5, 0.75]) AS quartiles,
    COUNT(*) FILTER(WHERE
      clips.score >= 80) AS clips_80_plus
  FROM jobs AS jobs
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
  GROUP BY
    jobs.show_name
)
SELECT
  CAST(counted.show_name AS TEXT) AS show_name,
  CAST(counted.jobs AS BIGINT) AS jobs,
  CAST(COALESCE(scored.clips, 0) AS BIGINT) AS clips,
  CAST(scored.mean_score AS DOUBLE) AS mean_score,
  CAST(scored.quartiles[1] AS DOUBLE) AS p25_score,
  CAST(scored.quartiles[2] AS DOUBLE) AS median_score,
  CAST(scored.quartiles[3] AS DOUBLE) AS p75_score,
  CAST(COALESCE(scored.clips_80_plus, 0) AS BIGINT) AS clips_80_plus
FROM counted AS counted
LEFT JOIN scored AS scored
  ON scored.show_name IS NOT DISTINCT FROM counted.show_name
ORDER BY
  scored.mean_score DESC,
  counted.show_name;

COMMENT ON VIEW staging.page_shows IS 'How the clips of each show score. One row per show with a complete job.';
COMMENT ON COLUMN staging.page_shows.show_name IS 'Show, as submitted; NULL gathers the jobs without one';
COMMENT ON COLUMN staging.page_shows.jobs IS 'Complete jobs, those without clips included';
COMMENT ON COLUMN staging.page_shows.clips IS 'Their clips, unscored ones included';
COMMENT ON COLUMN staging.page_shows.mean_score IS 'Mean score of the clips in points; NULL if none is scored';
COMMENT ON COLUMN staging.page_shows.p25_score IS '25th percentile of the scores in points, interpolated; NULL if none is scored';
COMMENT ON COLUMN staging.page_shows.median_score IS 'Median score of the clips in points; NULL if none is scored';
COMMENT ON COLUMN staging.page_shows.p75_score IS '75th percentile of the scores in points, interpolated; NULL if none is scored';
COMMENT ON COLUMN staging.page_shows.clips_80_plus IS 'Clips of 80 points or more';

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(jobs), 0)
      FROM staging.page_shows AS page_shows
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
