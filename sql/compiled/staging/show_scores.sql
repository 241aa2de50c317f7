-- grain: show_name
-- reads: staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE TABLE staging.show_scores AS
WITH jobs AS (
  SELECT
    stg_klipit__jobs.job_id AS job_id,
    stg_klipit__jobs.show_name AS show_name
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
  WHERE
    stg_klipit__jobs.outcome = 'finished'
), scored AS (
  SELECT
    jobs.show_name AS show_name,
    COUNT(*) AS clips,
    COUNT(clips.score) AS scored_clips,
    AVG(clips.score) AS mean_score,
    QUANTILE_CONT(clips.score, [0.25, 0.5, 0.75]) AS quartiles,
    COUNT(*) FILTER(WHERE
      clips.score >= 80) AS clips_80_plus
  FROM jobs AS jobs
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
  GROUP BY
    jobs.show_name
), scored_by_job AS (
  SELECT
    stg_klipit__clips.job_id AS job_id,
    COUNT(stg_klipit__clips.score) AS scored_clips,
    SUM(stg_klipit__clips.score) AS points
  FROM staging.stg_klipit__clips AS stg_klipit__clips
  WHERE
    NOT stg_klipit__clips.score IS NULL
  GROUP BY
    stg_klipit__clips.job_id
), counted AS (
  SELECT
    jobs.show_name AS show_name,
    COUNT(*) AS jobs,
    COUNT(by_job.job_id) AS scored_jobs,
    SUM(POWER(by_job.points - by_job.scored_clips * scored.mean_score, 2)) AS squares
  FROM jobs AS jobs
  LEFT JOIN scored_by_job AS by_job
    ON by_job.job_id = jobs.job_id
  LEFT JOIN scored AS scored
    ON scored.show_name IS NOT DISTINCT FROM jobs.show_name
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
  CAST(COALESCE(scored.clips_80_plus, 0) AS BIGINT) AS clips_80_plus,
  CAST(counted.scored_jobs AS BIGINT) AS scored_jobs,
  CAST((
    SQRT(counted.squares * counted.scored_jobs / NULLIF(counted.scored_jobs - 1, 0)) / scored.scored_clips
  ) AS DOUBLE) AS standard_error
FROM counted AS counted
LEFT JOIN scored AS scored
  ON scored.show_name IS NOT DISTINCT FROM counted.show_name
ORDER BY
  scored.mean_score DESC,
  counted.show_name;

COMMENT ON TABLE staging.show_scores IS 'How the clips of each show score. One row per show with a complete job.';
COMMENT ON COLUMN staging.show_scores.show_name IS 'Show, as submitted; NULL gathers the jobs without one';
COMMENT ON COLUMN staging.show_scores.jobs IS 'Complete jobs, those without clips included';
COMMENT ON COLUMN staging.show_scores.clips IS 'Their clips, unscored ones included';
COMMENT ON COLUMN staging.show_scores.mean_score IS 'Mean score of the clips in points; NULL if none is scored';
COMMENT ON COLUMN staging.show_scores.p25_score IS '25th percentile of the scores in points, interpolated; NULL if none is scored';
COMMENT ON COLUMN staging.show_scores.median_score IS 'Median score of the clips in points; NULL if none is scored';
COMMENT ON COLUMN staging.show_scores.p75_score IS '75th percentile of the scores in points, interpolated; NULL if none is scored';
COMMENT ON COLUMN staging.show_scores.clips_80_plus IS 'Clips of 80 points or more';
COMMENT ON COLUMN staging.show_scores.scored_jobs IS 'Complete jobs with a scored clip';
COMMENT ON COLUMN staging.show_scores.standard_error IS 'Of the mean score in points, if other episodes had come; NULL below 2 scored jobs';

-- audit: unique_values
SELECT
  *
FROM (
  SELECT
    ROW_NUMBER() OVER (PARTITION BY show_name ORDER BY show_name NULLS FIRST) AS rank_show_name
  FROM staging.show_scores AS show_scores
  WHERE
    TRUE
) AS _0
WHERE
  rank_show_name > 1;

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(jobs), 0)
      FROM staging.show_scores AS show_scores
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
