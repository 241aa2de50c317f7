/* What each show cost, as an estimate: a day's credits are divided among the jobs created on it, by their
   length. One row per show with a job of a day whose use is known. */
MODEL (
  name reports.show_costs,
  kind FULL,
  grain show_name,
  audits (
    unique_values(columns := (show_name)),
    shares_out(
      total := credits,
      of := staging.credit_days,
      whole := credits_used,
      condition := jobs_submitted > 0
    )
  )
);

WITH jobs AS (
  SELECT
    jobs.job_id,
    jobs.show_name,
    days.day,
    days.credits_used,
    CASE WHEN jobs.source_seconds > 0 THEN jobs.source_seconds END AS length
  FROM staging.stg_klipit__jobs AS jobs
  INNER JOIN staging.credit_days AS days
    ON days.day = (jobs.created_at AT TIME ZONE 'UTC')::DATE
  WHERE days.credits_used IS NOT NULL
), weighed AS (
  /* A job of unknown length counts as an average one of its day. */
  SELECT
    job_id,
    show_name,
    day,
    credits_used,
    COALESCE(length, AVG(length) OVER (PARTITION BY day), 1) AS weight
  FROM jobs
), split AS (
  SELECT
    job_id,
    show_name,
    credits_used * weight / SUM(weight) OVER (PARTITION BY day) AS credits
  FROM weighed
), summed AS (
  SELECT
    split.show_name,
    COUNT(*) AS jobs,
    COALESCE(SUM(done.clips), 0) AS clips,
    COALESCE(SUM(done.clips_80_plus), 0) AS clips_80_plus,
    SUM(split.credits) AS credits
  FROM split
  LEFT JOIN reports.shareability AS done
    ON done.job_id = split.job_id
  GROUP BY split.show_name
)
SELECT
  show_name::TEXT                              AS show_name,               /* Show, as submitted; NULL gathers
                                                                              the jobs without one */
  jobs::BIGINT                                 AS jobs,                    /* Jobs created on days whose
                                                                              credit use is known, failed ones
                                                                              included */
  clips::BIGINT                                AS clips,                   /* Clips of those that are
                                                                              complete, unscored ones
                                                                              included */
  clips_80_plus::BIGINT                        AS clips_80_plus,           /* Clips of 80 points or more of
                                                                              those */
  credits::DOUBLE                              AS credits,                 /* Estimated credits of these jobs;
                                                                              the sum of all shows is exact */
  (credits / NULLIF(clips, 0))::DOUBLE         AS credits_per_clip,        /* credits / clips; NULL without
                                                                              clips */
  (credits / NULLIF(clips_80_plus, 0))::DOUBLE AS credits_per_clip_80_plus /* credits / clips_80_plus; NULL
                                                                              without such clips */
FROM summed
ORDER BY credits DESC, show_name
