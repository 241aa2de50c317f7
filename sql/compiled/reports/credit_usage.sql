-- grain: day
-- reads: staging.credit_days
CREATE VIEW reports.credit_usage AS
WITH paced AS (
  SELECT
    credit_days.day AS day,
    credit_days.balance_open AS balance_open,
    credit_days.balance_close AS balance_close,
    credit_days.credits_used AS credits_used,
    credit_days.credits_added AS credits_added,
    credit_days.jobs_submitted AS jobs_submitted,
    credit_days.jobs_completed AS jobs_completed,
    credit_days.source_minutes AS source_minutes,
    credit_days.clips AS clips,
    LAST_VALUE(
      CASE
        WHEN credit_days.day < CAST((
          COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP) AT TIME ZONE 'UTC'
        ) AS DATE)
        THEN credit_days.burn_7d
      END
     IGNORE NULLS) OVER (ORDER BY credit_days.day) AS burn_7d
  FROM staging.credit_days AS credit_days
)
SELECT
  CAST(paced.day AS DATE) AS day,
  CAST(paced.balance_open AS DOUBLE) AS balance_open,
  CAST(paced.balance_close AS DOUBLE) AS balance_close,
  CAST(paced.credits_used AS DOUBLE) AS credits_used,
  CAST(paced.credits_added AS DOUBLE) AS credits_added,
  CAST(paced.jobs_submitted AS BIGINT) AS jobs_submitted,
  CAST(paced.jobs_completed AS BIGINT) AS jobs_completed,
  CAST(paced.source_minutes AS DOUBLE) AS source_minutes,
  CAST(paced.clips AS BIGINT) AS clips,
  CAST((
    paced.credits_used / NULLIF(paced.jobs_submitted, 0)
  ) AS DOUBLE) AS credits_per_job,
  CAST((
    paced.credits_used / NULLIF(paced.clips, 0)
  ) AS DOUBLE) AS credits_per_clip,
  CAST(paced.burn_7d AS DOUBLE) AS burn_7d,
  CAST((
    paced.balance_close / NULLIF(paced.burn_7d, 0)
  ) AS DOUBLE) AS days_left
FROM paced AS paced
ORDER BY
  day DESC;

COMMENT ON VIEW reports.credit_usage IS 'What credits were spent on. One row per UTC day, without gaps, from the first job or balance to the last, but not before 2020.';
COMMENT ON COLUMN reports.credit_usage.day IS 'UTC day';
COMMENT ON COLUMN reports.credit_usage.balance_open IS 'Credits at its start: the close before, or the first balance ever; NULL before that';
COMMENT ON COLUMN reports.credit_usage.balance_close IS 'Credits at its end: the last balance up to then; NULL before the first';
COMMENT ON COLUMN reports.credit_usage.credits_used IS 'Credits by which successive balances fell; NULL before the first balance';
COMMENT ON COLUMN reports.credit_usage.credits_added IS 'Credits by which they rose; open - used + added = close';
COMMENT ON COLUMN reports.credit_usage.jobs_submitted IS 'Jobs created on this day';
COMMENT ON COLUMN reports.credit_usage.jobs_completed IS 'Jobs completed on this day';
COMMENT ON COLUMN reports.credit_usage.source_minutes IS 'Length of the episodes of the jobs completed, in minutes';
COMMENT ON COLUMN reports.credit_usage.clips IS 'Clips of the jobs completed';
COMMENT ON COLUMN reports.credit_usage.credits_per_job IS 'Credits used per job; NULL without jobs or balances';
COMMENT ON COLUMN reports.credit_usage.credits_per_clip IS 'Credits used per clip of the jobs completed; NULL without clips or balances';
COMMENT ON COLUMN reports.credit_usage.burn_7d IS 'Credits used a day, the mean of the up to 7 known, finished UTC days that end here; NULL if fewer than 3 are known';
COMMENT ON COLUMN reports.credit_usage.days_left IS 'Days until the balance is used up at that pace; NULL if the pace is unknown or nothing was used';

-- audit: is_key
SELECT
  day AS day
FROM reports.credit_usage AS credit_usage
GROUP BY
  day
HAVING
  COUNT(*) > 1 OR day IS NULL;

-- audit: balance_reconciles
SELECT
  day AS day,
  balance_open AS balance_open,
  credits_used AS credits_used,
  credits_added AS credits_added,
  balance_close AS balance_close
FROM reports.credit_usage AS credit_usage
WHERE
  ABS(balance_open - credits_used + credits_added - balance_close) > 0.000001 * GREATEST(1, ABS(balance_open), credits_used, credits_added)
  OR (
    balance_close IS NULL
  ) <> (
    balance_open IS NULL
  );

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(jobs_submitted), 0)
      FROM reports.credit_usage AS credit_usage
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_klipit__jobs AS stg_klipit__jobs
      WHERE
        created_at >= CAST('2020-01-01 00:00:00+00' AS TIMESTAMPTZ)
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;
