/* One row per job, with what its submission said of it. */
MODEL (
  name staging.stg_klipit__jobs,
  kind VIEW,
  grain job_id,
  audits (
    is_key(columns := (job_id))
  )
);

/* An id may be known twice, from a submission and from an import: the latest word on each wins. */
WITH submitted AS (
  SELECT
    job_id,
    ARG_MAX(show_name, recorded_at) AS show_name,
    ARG_MAX(guest_name, recorded_at) AS guest_name,
    ARG_MAX(description, recorded_at) AS description
  FROM klipit.submissions
  WHERE job_id IS NOT NULL
  GROUP BY job_id
)
SELECT
  jobs.id::TEXT                            AS job_id,         /* Klipit job id */
  submitted.show_name::TEXT                AS show_name,      /* Show, as submitted; NULL if not given */
  submitted.guest_name::TEXT               AS guest_name,     /* Guest, as submitted; NULL if not given */
  /* The first line that is not blank, without blanks around it. */
  COALESCE(
    NULLIF(
      REGEXP_EXTRACT(submitted.description, '[^\s\pZ]([^\r\n\x{2028}\x{2029}]*[^\s\pZ])?'), ''
    ),
    CASE WHEN REGEXP_MATCHES(submitted.guest_name, '[^\s\pZ]') THEN submitted.guest_name END,
    jobs.id
  )::TEXT                                  AS episode,        /* What to call it: the first line of its
                                                                 description, else the guest, else the job
                                                                 id */
  jobs.status::TEXT                        AS status,         /* The API's own word */
  COALESCE(words.outcome, 'running')::TEXT AS outcome,        /* finished, failed or running, read from
                                                                 status */
  CASE WHEN ABS(jobs.duration_seconds) < 1e15 THEN jobs.duration_seconds END::DOUBLE
                                           AS source_seconds, /* Length of the episode in seconds; NULL until
                                                                 the API says */
  CASE
    WHEN jobs.created_at >= '2000-01-01 00:00:00+00'::TIMESTAMPTZ
    AND COALESCE(jobs.created_at <= jobs.observed_at + INTERVAL '1 day', TRUE)
    THEN jobs.created_at
  END::TIMESTAMPTZ                         AS created_at,     /* When the job was created (UTC instant); NULL
                                                                 if absent, before 2000 or over a day ahead
                                                                 of the answer */
  CASE
    WHEN jobs.completed_at >= '2000-01-01 00:00:00+00'::TIMESTAMPTZ
    AND COALESCE(jobs.completed_at <= jobs.observed_at + INTERVAL '1 day', TRUE)
    THEN jobs.completed_at
  END::TIMESTAMPTZ                         AS completed_at,   /* When it was completed (UTC instant); NULL
                                                                 while it runs, and for dates as odd as
                                                                 those */
  jobs.observed_at::TIMESTAMPTZ            AS observed_at     /* When the API gave this answer (UTC
                                                                 instant) */
FROM klipit.jobs AS jobs
LEFT JOIN submitted
  ON submitted.job_id = jobs.id
LEFT JOIN staging.status_words AS words
  ON words.status = jobs.status
