/* Credits and jobs day by day, each day taken as finished. One row per UTC day, without gaps, from the
   first job or balance to the last, but not before 2020. */
MODEL (
  name staging.credit_days,
  kind FULL,
  grain day,
  audits (
    is_key(columns := (day))
  )
);

WITH jobs AS (
  SELECT
    job_id,
    outcome = 'finished' AS complete,
    source_seconds,
    (created_at AT TIME ZONE 'UTC')::DATE AS created_day,
    (completed_at AT TIME ZONE 'UTC')::DATE AS completed_day,
    /* A completed_at ahead of the clock does not stretch the calendar. */
    (LEAST(completed_at, observed_at) AT TIME ZONE 'UTC')::DATE AS seen_completed_day
  FROM staging.stg_klipit__jobs
), balances AS (
  SELECT
    (observed_at AT TIME ZONE 'UTC')::DATE AS day,
    observed_at,
    balance,
    credits_change
  FROM staging.stg_klipit__balances
), bounds AS (
  SELECT
    MIN(day) AS first_day,
    MAX(day) AS last_day
  FROM (
    SELECT created_day AS day FROM jobs
    UNION ALL
    SELECT seen_completed_day AS day FROM jobs WHERE complete AND completed_day IS NOT NULL
    UNION ALL
    SELECT day FROM balances
  ) AS events
), calendar AS (
  SELECT
    UNNEST(GENERATE_SERIES(GREATEST(first_day, '2020-01-01'::DATE), last_day, INTERVAL '1 day'))::DATE AS day
  FROM bounds
), balances_by_day AS (
  SELECT
    day,
    ARG_MIN(balance, observed_at) AS first_balance,
    ARG_MAX(balance, observed_at) AS last_balance,
    SUM(GREATEST(-credits_change, 0)) AS used,
    SUM(GREATEST(credits_change, 0)) AS added
  FROM balances
  GROUP BY day
), submitted_by_day AS (
  SELECT
    created_day AS day,
    COUNT(*) AS jobs_submitted
  FROM jobs
  GROUP BY created_day
), clips_by_job AS (
  SELECT
    job_id,
    COUNT(*) AS clips
  FROM staging.stg_klipit__clips
  GROUP BY job_id
), completed_by_day AS (
  SELECT
    jobs.completed_day AS day,
    COUNT(*) AS jobs_completed,
    SUM(jobs.source_seconds) / 60 AS source_minutes,
    SUM(clips_by_job.clips) AS clips
  FROM jobs
  LEFT JOIN clips_by_job
    ON clips_by_job.job_id = jobs.job_id
  WHERE jobs.complete
  GROUP BY jobs.completed_day
), days AS (
  SELECT
    calendar.day,
    balances_by_day.first_balance,
    LAST_VALUE(balances_by_day.last_balance IGNORE NULLS) OVER (ORDER BY calendar.day) AS balance_close,
    COALESCE(balances_by_day.used, 0) AS used,
    COALESCE(balances_by_day.added, 0) AS added,
    COALESCE(submitted_by_day.jobs_submitted, 0) AS jobs_submitted,
    COALESCE(completed_by_day.jobs_completed, 0) AS jobs_completed,
    COALESCE(completed_by_day.source_minutes, 0) AS source_minutes,
    COALESCE(completed_by_day.clips, 0) AS clips
  FROM calendar
  LEFT JOIN balances_by_day
    ON balances_by_day.day = calendar.day
  LEFT JOIN submitted_by_day
    ON submitted_by_day.day = calendar.day
  LEFT JOIN completed_by_day
    ON completed_by_day.day = calendar.day
), known AS (
  SELECT
    day,
    COALESCE(LAG(balance_close) OVER (ORDER BY day), first_balance) AS balance_open,
    balance_close,
    CASE WHEN balance_close IS NOT NULL THEN used END AS credits_used,
    CASE WHEN balance_close IS NOT NULL THEN added END AS credits_added,
    jobs_submitted,
    jobs_completed,
    source_minutes,
    clips
  FROM days
)
SELECT
  day::DATE              AS day,            /* UTC day */
  balance_open::DOUBLE   AS balance_open,   /* Credits at its start: the close before, or the first balance
                                               ever; NULL before that */
  balance_close::DOUBLE  AS balance_close,  /* Credits at its end: the last balance up to then; NULL before
                                               the first */
  credits_used::DOUBLE   AS credits_used,   /* Credits by which successive balances fell; NULL before the
                                               first balance */
  credits_added::DOUBLE  AS credits_added,  /* Credits by which they rose; open - used + added = close */
  jobs_submitted::BIGINT AS jobs_submitted, /* Jobs created on this day */
  jobs_completed::BIGINT AS jobs_completed, /* Jobs completed on this day */
  source_minutes::DOUBLE AS source_minutes, /* Length of the episodes of the jobs completed, in minutes */
  clips::BIGINT          AS clips,          /* Clips of the jobs completed */
  CASE
    WHEN COUNT(credits_used) OVER last_7_days >= 3
    THEN AVG(credits_used) OVER last_7_days
  END::DOUBLE            AS burn_7d         /* Credits used a day, the mean of the up to 7 known days that end
                                               here; NULL if fewer than 3 are known */
FROM known
WINDOW last_7_days AS (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
ORDER BY day DESC
