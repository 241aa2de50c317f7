/* What credits were spent on. One row per UTC day, without gaps, from the first job or balance to the last,
   but not before 2020. */
MODEL (
  name reports.credit_usage,
  kind VIEW,
  grain day,
  audits (
    is_key(columns := (day)),
    balance_reconciles,
    sums_to_rows(
      total := jobs_submitted,
      of := staging.stg_klipit__jobs,
      condition := created_at >= '2020-01-01 00:00:00+00'::TIMESTAMPTZ
    )
  )
);

/* The unfinished day would look like one of little use: it takes the pace of the days before it. */
WITH paced AS (
  SELECT
    day,
    balance_open,
    balance_close,
    credits_used,
    credits_added,
    jobs_submitted,
    jobs_completed,
    source_minutes,
    clips,
    LAST_VALUE(
      CASE
        WHEN day
          < (COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP) AT TIME ZONE 'UTC')::DATE
        THEN burn_7d
      END IGNORE NULLS
    ) OVER (ORDER BY day) AS burn_7d
  FROM staging.credit_days
)
SELECT
  day::DATE              AS day,              /* UTC day */
  balance_open::DOUBLE   AS balance_open,     /* Credits at its start: the close before, or the first balance
                                                 ever; NULL before that */
  balance_close::DOUBLE  AS balance_close,    /* Credits at its end: the last balance up to then; NULL before
                                                 the first */
  credits_used::DOUBLE   AS credits_used,     /* Credits by which successive balances fell; NULL before the
                                                 first balance */
  credits_added::DOUBLE  AS credits_added,    /* Credits by which they rose; open - used + added = close */
  jobs_submitted::BIGINT AS jobs_submitted,   /* Jobs created on this day */
  jobs_completed::BIGINT AS jobs_completed,   /* Jobs completed on this day */
  source_minutes::DOUBLE AS source_minutes,   /* Length of the episodes of the jobs completed, in minutes */
  clips::BIGINT          AS clips,            /* Clips of the jobs completed */
  (credits_used / NULLIF(jobs_submitted, 0))::DOUBLE
                         AS credits_per_job,  /* Credits used per job; NULL without jobs or balances */
  (credits_used / NULLIF(clips, 0))::DOUBLE
                         AS credits_per_clip, /* Credits used per clip of the jobs completed; NULL without
                                                 clips or balances */
  burn_7d::DOUBLE        AS burn_7d,          /* Credits used a day, the mean of the up to 7 known, finished
                                                 UTC days that end here; NULL if fewer than 3 are known */
  (balance_close / NULLIF(burn_7d, 0))::DOUBLE
                         AS days_left         /* Days until the balance is used up at that pace; NULL if the
                                                 pace is unknown or nothing was used */
FROM paced
ORDER BY day DESC
