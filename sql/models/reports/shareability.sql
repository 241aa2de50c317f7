/* How shareable each complete job turned out. One row per complete job. */
MODEL (
  name reports.shareability,
  kind FULL,
  grain job_id,
  audits (
    is_key(columns := (job_id)),
    counts_every_row(of := staging.stg_klipit__jobs, condition := outcome = 'finished')
  )
);

WITH clips AS (
  SELECT
    job_id,
    COUNT(*) AS clips,
    AVG(score) AS mean_score,
    QUANTILE_CONT(score, 0.5) AS median_score,
    MAX(score) AS best_score,
    COUNT(*) FILTER (WHERE score >= 80) AS clips_80_plus
  FROM staging.stg_klipit__clips
  GROUP BY job_id
), best AS (
  SELECT
    candidates.job_id,
    candidates.clip_id,
    candidates.hook_suggestion
  FROM staging.stg_klipit__clips AS candidates
  INNER JOIN clips
    ON clips.job_id = candidates.job_id AND clips.best_score = candidates.score
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY candidates.job_id
      ORDER BY candidates.start_seconds NULLS LAST, candidates.clip_id
    ) = 1
)
SELECT
  jobs.job_id::TEXT                        AS job_id,        /* Klipit job id */
  jobs.show_name::TEXT                     AS show_name,     /* Show, as submitted; NULL if not given */
  jobs.guest_name::TEXT                    AS guest_name,    /* Guest, as submitted; NULL if not given */
  jobs.created_at::TIMESTAMPTZ             AS created_at,    /* When the job was created (UTC instant) */
  COALESCE(clips.clips, 0)::BIGINT         AS clips,         /* Clips of the job, unscored ones included; 0
                                                                without clips */
  clips.mean_score::DOUBLE                 AS mean_score,    /* Mean score in points; NULL if no clip is
                                                                scored */
  clips.median_score::DOUBLE               AS median_score,  /* Median score in points; NULL if no clip is
                                                                scored */
  clips.best_score::DOUBLE                 AS best_score,    /* Highest score in points; NULL if no clip is
                                                                scored */
  best.clip_id::TEXT                       AS best_clip_id,  /* The clip with it; of equals the one that
                                                                starts first, then by id */
  best.hook_suggestion::TEXT               AS best_hook,     /* First line suggested for that clip; NULL if
                                                                the API gives none */
  COALESCE(clips.clips_80_plus, 0)::BIGINT AS clips_80_plus, /* Clips of 80 points or more; 0 without clips */
  jobs.episode::TEXT                       AS episode,       /* What to call it: the first line of its
                                                                description, else the guest, else the job
                                                                id */
  jobs.source_seconds::DOUBLE              AS source_seconds /* Length of the episode in seconds; NULL until
                                                                the API says */
FROM staging.stg_klipit__jobs AS jobs
LEFT JOIN clips
  ON clips.job_id = jobs.job_id
LEFT JOIN best
  ON best.job_id = jobs.job_id
WHERE jobs.outcome = 'finished'
ORDER BY jobs.created_at DESC NULLS LAST, jobs.job_id
