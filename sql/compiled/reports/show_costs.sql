-- grain: show_name
-- reads: reports.shareability, staging.credit_days, staging.stg_klipit__jobs
CREATE TABLE reports.show_costs AS
WITH jobs AS (
  SELECT
    jobs.job_id AS job_id,
    jobs.show_name AS show_name,
    days.day AS day,
    days.credits_used AS credits_used,
    CASE WHEN jobs.source_seconds > 0 THEN jobs.source_seconds END AS length
  FROM staging.stg_klipit__jobs AS jobs
  INNER JOIN staging.credit_days AS days
    ON days.day = CAST(jobs.created_at AT TIME ZONE 'UTC' AS DATE)
  WHERE
    NOT days.credits_used IS NULL
), weighed AS (
  SELECT
    jobs.job_id AS job_id,
    jobs.show_name AS show_name,
    jobs.day AS day,
    jobs.credits_used AS credits_used,
    COALESCE(jobs.length, AVG(jobs.length) OVER (PARTITION BY jobs.day), 1) AS weight
  FROM jobs AS jobs
), split AS (
  SELECT
    weighed.job_id AS job_id,
    weighed.show_name AS show_name,
    weighed.credits_used * weighed.weight / SUM(weighed.weight) OVER (PARTITION BY weighed.day) AS credits
  FROM weighed AS weighed
), summed AS (
  SELECT
    split.show_name AS show_name,
    COUNT(*) AS jobs,
    COALESCE(SUM(done.clips), 0) AS clips,
    COALESCE(SUM(done.clips_80_plus), 0) AS clips_80_plus,
    SUM(split.credits) AS credits
  FROM split AS split
  LEFT JOIN reports.shareability AS done
    ON done.job_id = split.job_id
  GROUP BY
    split.show_name
)
SELECT
  CAST(summed.show_name AS TEXT) AS show_name,
  CAST(summed.jobs AS BIGINT) AS jobs,
  CAST(summed.clips AS BIGINT) AS clips,
  CAST(summed.clips_80_plus AS BIGINT) AS clips_80_plus,
  CAST(summed.credits AS DOUBLE) AS credits,
  CAST((
    summed.credits / NULLIF(summed.clips, 0)
  ) AS DOUBLE) AS credits_per_clip,
  CAST((
    summed.credits / NULLIF(summed.clips_80_plus, 0)
  ) AS DOUBLE) AS credits_per_clip_80_plus
FROM summed AS summed
ORDER BY
  credits DESC,
  show_name;

COMMENT ON TABLE reports.show_costs IS 'What each show cost, as an estimate: a day''s credits are divided among the jobs created on it, by their length. One row per show with a job of a day whose use is known.';
COMMENT ON COLUMN reports.show_costs.show_name IS 'Show, as submitted; NULL gathers the jobs without one';
COMMENT ON COLUMN reports.show_costs.jobs IS 'Jobs created on days whose credit use is known, failed ones included';
COMMENT ON COLUMN reports.show_costs.clips IS 'Clips of those that are complete, unscored ones included';
COMMENT ON COLUMN reports.show_costs.clips_80_plus IS 'Clips of 80 points or more of those';
COMMENT ON COLUMN reports.show_costs.credits IS 'Estimated credits of these jobs; the sum of all shows is exact';
COMMENT ON COLUMN reports.show_costs.credits_per_clip IS 'credits / clips; NULL without clips';
COMMENT ON COLUMN reports.show_costs.credits_per_clip_80_plus IS 'credits / clips_80_plus; NULL without such clips';

-- audit: unique_values
SELECT
  *
FROM (
  SELECT
    ROW_NUMBER() OVER (PARTITION BY show_name ORDER BY show_name NULLS FIRST) AS rank_show_name
  FROM reports.show_costs AS show_costs
  WHERE
    TRUE
) AS _0
WHERE
  rank_show_name > 1;

-- audit: shares_out
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(credits), 0)
      FROM reports.show_costs AS show_costs
    ) AS here,
    (
      SELECT
        COALESCE(SUM(credits_used), 0)
      FROM staging.credit_days AS credit_days
      WHERE
        jobs_submitted > 0
    ) AS there
) AS counted
WHERE
  ABS(counted.here - counted.there) > 0.000001 * GREATEST(1, ABS(counted.there));
