-- reads: reports.credit_usage
CREATE VIEW staging.page_costs AS
SELECT
  CAST(SUM(credit_usage.credits_used) AS DOUBLE) AS credits_used,
  CAST((
    SUM(credit_usage.credits_used) / NULLIF(SUM(credit_usage.jobs_submitted), 0)
  ) AS DOUBLE) AS credits_per_job,
  CAST((
    SUM(credit_usage.credits_used) / NULLIF(SUM(credit_usage.clips), 0)
  ) AS DOUBLE) AS credits_per_clip
FROM reports.credit_usage AS credit_usage
WHERE
  NOT credit_usage.credits_used IS NULL;

COMMENT ON VIEW staging.page_costs IS 'What jobs and clips cost over all days with a known balance. Exactly one row.';
COMMENT ON COLUMN staging.page_costs.credits_used IS 'Credits used in all; NULL if no balance is known';
COMMENT ON COLUMN staging.page_costs.credits_per_job IS 'Credits used per job created; NULL without jobs or balances';
COMMENT ON COLUMN staging.page_costs.credits_per_clip IS 'Credits used per clip of the jobs completed; NULL without clips or balances';

-- audit: adds_up_to
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        SUM(credits_used)
      FROM staging.page_costs AS page_costs
    ) AS here,
    (
      SELECT
        SUM(credits_used)
      FROM reports.credit_usage AS credit_usage
    ) AS there
) AS counted
WHERE
  ABS(counted.here - counted.there) > 0.000001 * GREATEST(1, ABS(counted.there))
  OR (
    counted.here IS NULL
  ) <> (
    counted.there IS NULL
  );
