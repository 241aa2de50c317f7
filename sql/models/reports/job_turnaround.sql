/* How long each job took and which are stuck, at the time of reading. One row per job. */
MODEL (
  name reports.job_turnaround,
  kind VIEW,
  grain job_id,
  audits (
    is_key(columns := (job_id)),
    counts_every_row(of := staging.stg_klipit__jobs)
  )
);

SELECT
  jobs.job_id::TEXT              AS job_id,             /* Klipit job id */
  jobs.show_name::TEXT           AS show_name,          /* Show, as submitted; NULL if not given */
  jobs.status::TEXT              AS status,             /* The API's own word */
  jobs.created_at::TIMESTAMPTZ   AS created_at,         /* When the job was created (UTC instant) */
  jobs.completed_at::TIMESTAMPTZ AS completed_at,       /* When it was done (UTC instant); NULL while it
                                                           runs */
  (EPOCH(jobs.completed_at) - EPOCH(jobs.created_at))::DOUBLE
                                 AS turnaround_seconds, /* From start to completion, in seconds; NULL while it
                                                           runs */
  jobs.source_seconds::DOUBLE    AS source_seconds,     /* Length of the episode in seconds; NULL until the
                                                           API says */
  progress.stuck::BOOLEAN        AS stuck,              /* Unfinished 2 hours after it was created */
  jobs.episode::TEXT             AS episode             /* What to call it: the first line of its description,
                                                           else the guest, else the job id */
FROM staging.stg_klipit__jobs AS jobs
INNER JOIN staging.stg_klipit__job_progress AS progress
  ON progress.job_id = jobs.job_id
ORDER BY jobs.created_at DESC NULLS LAST, jobs.job_id
