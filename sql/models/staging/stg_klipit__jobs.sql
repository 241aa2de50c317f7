/* One row per job, with what its submission said of it and what tells how far it has come. */
MODEL (
  name staging.stg_klipit__jobs,
  kind FULL,
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
    ARG_MAX(description, recorded_at) AS description,
    MIN(recorded_at) AS known_at,
    BOOL_AND(untracked_at IS NOT NULL) AS untracked
  FROM klipit.submissions
  WHERE job_id IS NOT NULL
  GROUP BY job_id
), last_seen AS (
  SELECT
    job_id,
    ARG_MAX(status, observed_at) AS status
  FROM klipit.job_observations
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
  jobs.observed_at::TIMESTAMPTZ            AS observed_at,    /* When the API gave this answer (UTC
                                                                 instant) */
  jobs.error::TEXT                         AS error,          /* Why it failed, in the API's words; NULL
                                                                 otherwise */
  jobs.completed_at::TIMESTAMPTZ           AS done_at,        /* completed_at as the API reports it, however
                                                                 odd */
  jobs.clip_count::BIGINT                  AS clip_count,     /* Clips by the API's count; NULL until it has
                                                                 one */
  reads.observed_at::TIMESTAMPTZ           AS clips_read_at,  /* When its clips were last read; NULL if
                                                                 never */
  COALESCE(last_seen.status = 'not_found', FALSE)::BOOLEAN
                                           AS gone,           /* The API no longer knows it: its last
                                                                 observation is not_found */
  submitted.known_at::TIMESTAMPTZ          AS known_at,       /* When its id was first recorded here; NULL if
                                                                 it was not */
  COALESCE(submitted.untracked, FALSE)::BOOLEAN
                                           AS untracked       /* `clipmart untrack` removed its id */
FROM klipit.jobs AS jobs
LEFT JOIN submitted
  ON submitted.job_id = jobs.id
LEFT JOIN klipit.clip_reads AS reads
  ON reads.job_id = jobs.id
LEFT JOIN last_seen
  ON last_seen.job_id = jobs.id
LEFT JOIN staging.status_words AS words
  ON words.status = jobs.status
