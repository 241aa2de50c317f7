-- grain: day
-- reads: staging.stg_klipit__balances, staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE TABLE staging.credit_days AS
WITH jobs AS (
  SELECT
    stg_klipit__jobs.job_id AS job_id,
    stg_klipit__jobs.outcome = 'finished' AS complete,
    stg_klipit__jobs.source_seconds AS source_seconds,
    CAST(stg_klipit__jobs.created_at AT TIME ZONE 'UTC' AS DATE) AS created_day,
    CAST(stg_klipit__jobs.completed_at AT TIME ZONE 'UTC' AS DATE) AS completed_day,
    CAST(LEAST(stg_klipit__jobs.completed_at, stg_klipit__jobs.observed_at) AT TIME ZONE 'UTC' AS DATE) AS seen_completed_day
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
), balances AS (
  SELECT
    CAST(stg_klipit__balances.observed_at AT TIME ZONE 'UTC' AS DATE) AS day,
    stg_klipit__balances.observed_at AS observed_at,
    stg_klipit__balances.balance AS balance,
    stg_klipit__balances.credits_change AS credits_change
  FROM staging.stg_klipit__balances AS stg_klipit__balances
), bounds AS (
  SELECT
    MIN(events.day) AS first_day,
    MAX(events.day) AS last_day
  FROM (
    SELECT
      jobs.created_day AS day
    FROM jobs AS jobs
    UNION ALL
    SELECT
      jobs.seen_completed_day AS day
    FROM jobs AS jobs
    WHERE
      jobs.complete AND NOT jobs.completed_day IS NULL
    UNION ALL
    SELECT
      balances.day AS day
    FROM balances AS balances
  ) AS events
), calendar AS (
  SELECT
    CAST(UNNEST(
      GENERATE_SERIES(
        GREATEST(bounds.first_day, CAST('2020-01-01' AS DATE)),
        bounds.last_day,
        INTERVAL '1' DAY
      )
    ) AS DATE) AS day
  FROM bounds AS bounds
), balances_by_day AS (
  SELECT
    balances.day AS day,
    ARG_MIN(balances.balance, balances.observed_at) AS first_balance,
    ARG_MAX(balances.balance, balances.observed_at) AS last_balance,
    SUM(GREATEST(-balances.credits_change, 0)) AS used,
    SUM(GREATEST(balances.credits_change, 0)) AS added
  FROM balances AS balances
  GROUP BY
    balances.day
), submitted_by_day AS (
  SELECT
    jobs.created_day AS day,
    COUNT(*) AS jobs_submitted
  FROM jobs AS jobs
  GROUP BY
    jobs.created_day
), clips_by_job AS (
  SELECT
    stg_klipit__clips.job_id AS job_id,
    COUNT(*) AS clips
  FROM staging.stg_klipit__clips AS stg_klipit__clips
  GROUP BY
    stg_klipit__clips.job_id
), completed_by_day AS (
  SELECT
    jobs.completed_day AS day,
    COUNT(*) AS jobs_completed,
    SUM(jobs.source_seconds) / 60 AS source_minutes,
    SUM(clips_by_job.clips) AS clips
  FROM jobs AS jobs
  LEFT JOIN clips_by_job AS clips_by_job
    ON clips_by_job.job_id = jobs.job_id
  WHERE
    jobs.complete
  GROUP BY
    jobs.completed_day
), days AS (
  SELECT
    calendar.day AS day,
    balances_by_day.first_balance AS first_balance,
    LAST_VALUE(balances_by_day.last_balance IGNORE NULLS) OVER (ORDER BY calendar.day) AS balance_close,
    COALESCE(balances_by_day.used, 0) AS used,
    COALESCE(balances_by_day.added, 0) AS added,
    COALESCE(submitted_by_day.jobs_submitted, 0) AS jobs_submitted,
    COALESCE(completed_by_day.jobs_completed, 0) AS jobs_completed,
    COALESCE(completed_by_day.source_minutes, 0) AS source_minutes,
    COALESCE(completed_by_day.clips, 0) AS clips
  FROM calendar AS calendar
  LEFT JOIN balances_by_day AS balances_by_day
    ON balances_by_day.day = calendar.day
  LEFT JOIN submitted_by_day AS submitted_by_day
    ON calendar.day = submitted_by_day.day
  LEFT JOIN completed_by_day AS completed_by_day
    ON calendar.day = completed_by_day.day
), known AS (
  SELECT
    days.day AS day,
    COALESCE(LAG(days.balance_close) OVER (ORDER BY days.day), days.first_balance) AS balance_open,
    days.balance_close AS balance_close,
    CASE WHEN NOT days.balance_close IS NULL THEN days.used END AS credits_used,
    CASE WHEN NOT days.balance_close IS NULL THEN days.added END AS credits_added,
    days.jobs_submitted AS jobs_submitted,
    days.jobs_completed AS jobs_completed,
    days.source_minutes AS source_minutes,
    days.clips AS clips
  FROM days AS days
)
SELECT
  CAST(known.day AS DATE) AS day,
  CAST(known.balance_open AS DOUBLE) AS balance_open,
  CAST(known.balance_close AS DOUBLE) AS balance_close,
  CAST(known.credits_used AS DOUBLE) AS credits_used,
  CAST(known.credits_added AS DOUBLE) AS credits_added,
  CAST(known.jobs_submitted AS BIGINT) AS jobs_submitted,
  CAST(known.jobs_completed AS BIGINT) AS jobs_completed,
  CAST(known.source_minutes AS DOUBLE) AS source_minutes,
  CAST(known.clips AS BIGINT) AS clips,
  CAST(CASE
    WHEN COUNT(known.credits_used) OVER last_7_days >= 3
    THEN AVG(known.credits_used) OVER last_7_days
  END AS DOUBLE) AS burn_7d
FROM known AS known
WINDOW last_7_days AS (ORDER BY known.day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
ORDER BY
  day DESC;

COMMENT ON TABLE staging.credit_days IS 'Credits and jobs day by day, each day taken as finished. One row per UTC day, without gaps, from the first job or balance to the last, but not before 2020.';
COMMENT ON COLUMN staging.credit_days.day IS 'UTC day';
COMMENT ON COLUMN staging.credit_days.balance_open IS 'Credits at its start: the close before, or the first balance ever; NULL before that';
COMMENT ON COLUMN staging.credit_days.balance_close IS 'Credits at its end: the last balance up to then; NULL before the first';
COMMENT ON COLUMN staging.credit_days.credits_used IS 'Credits by which successive balances fell; NULL before the first balance';
COMMENT ON COLUMN staging.credit_days.credits_added IS 'Credits by which they rose; open - used + added = close';
COMMENT ON COLUMN staging.credit_days.jobs_submitted IS 'Jobs created on this day';
COMMENT ON COLUMN staging.credit_days.jobs_completed IS 'Jobs completed on this day';
COMMENT ON COLUMN staging.credit_days.source_minutes IS 'Length of the episodes of the jobs completed, in minutes';
COMMENT ON COLUMN staging.credit_days.clips IS 'Clips of the jobs completed';
COMMENT ON COLUMN staging.credit_days.burn_7d IS 'Credits used a day, the mean of the up to 7 known days that end here; NULL if fewer than 3 are known';

-- audit: is_key
SELECT
  day AS day
FROM staging.credit_days AS credit_days
GROUP BY
  day
HAVING
  COUNT(*) > 1 OR day IS NULL;
