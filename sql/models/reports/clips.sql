/* Every clip, unscored ones included. One row per clip. */
MODEL (
  name reports.clips,
  kind VIEW,
  grain clip_id,
  references (job_id),
  audits (
    counts_every_row(of := staging.stg_klipit__clips)
  )
);

/* In no order: sorting a million clips would take longer than most questions about them. */
SELECT
  clips.clip_id::TEXT                       AS clip_id,          /* Klipit clip id */
  clips.job_id::TEXT                        AS job_id,           /* Job that it was cut from */
  jobs.episode::TEXT                        AS episode,          /* What to call its episode: the first line
                                                                    of the description, else the guest, else
                                                                    the job id */
  jobs.show_name::TEXT                      AS show_name,        /* Show, as submitted; NULL if not given */
  jobs.guest_name::TEXT                     AS guest_name,       /* Guest, as submitted; NULL if not given */
  clips.moment_type::TEXT                   AS moment_type,      /* Kind of moment; the list is open; NULL if
                                                                    the API named none */
  clips.score::DOUBLE                       AS score,            /* Points, higher is better; NULL if
                                                                    unscored */
  clips.reason::TEXT                        AS reason,           /* Why it may be shared, in the API's words;
                                                                    NULL if it gives none */
  clips.hook_suggestion::TEXT               AS hook_suggestion,  /* A first line for the post; NULL if the API
                                                                    gives none */
  clips.start_seconds::DOUBLE               AS start_seconds,    /* Where it starts in the episode, in
                                                                    seconds */
  clips.end_seconds::DOUBLE                 AS end_seconds,      /* Where it ends in the episode, in
                                                                    seconds */
  clips.duration_seconds::DOUBLE            AS duration_seconds, /* Its length in seconds */
  CASE
    WHEN jobs.source_seconds > 0 AND clips.start_seconds BETWEEN 0 AND jobs.source_seconds
    THEN clips.start_seconds / jobs.source_seconds
  END::DOUBLE                               AS position,         /* Where it starts, as a part of the
                                                                    episode's length, 0 to 1; NULL if either
                                                                    is unknown or impossible */
  (overlapped.clip_id IS NOT NULL)::BOOLEAN AS overlaps_better,  /* A clip of the same job with a higher score
                                                                    shows more than half of it */
  clips.media_url::TEXT                     AS media_url,        /* Download link; NULL until there is one. It
                                                                    may expire */
  jobs.created_at::TIMESTAMPTZ              AS created_at        /* When the job was created (UTC instant) */
FROM staging.stg_klipit__clips AS clips
LEFT JOIN staging.stg_klipit__jobs AS jobs
  ON jobs.job_id = clips.job_id
LEFT JOIN staging.overlapped_clips AS overlapped
  ON overlapped.clip_id = clips.clip_id
