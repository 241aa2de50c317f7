/* The totals at the head of the page. Exactly one row. */
MODEL (
  name staging.page_totals,
  kind VIEW,
  audits (
    sums_to_rows(total := jobs_finished + jobs_failed + jobs_running, of := staging.stg_klipit__jobs),
    sums_to_rows(total := clips, of := staging.stg_klipit__clips),
    sums_to_rows(total := ready + failed + pending, of := staging.stg_clipus__videos)
  )
);

WITH jobs AS (
  SELECT
    COUNT(*) AS jobs,
    COUNT(*) FILTER (WHERE outcome = 'finished') AS finished,
    COUNT(*) FILTER (WHERE outcome = 'failed') AS failed,
    COUNT(*) FILTER (WHERE outcome = 'running') AS running,
    MIN(created_at) AS first_at,
    MAX(created_at) AS last_at
  FROM staging.stg_klipit__jobs
), clips AS (
  SELECT
    COUNT(*) AS clips,
    COUNT(*) FILTER (WHERE score >= 80) AS clips_80_plus,
    QUANTILE_CONT(score, 0.5) AS median_score
  FROM staging.stg_klipit__clips
), campaigns AS (
  SELECT
    COUNT(*) AS campaigns,
    COALESCE(SUM(videos), 0) AS videos,
    COALESCE(SUM(ready), 0) AS ready,
    COALESCE(SUM(failed), 0) AS failed,
    COALESCE(SUM(pending), 0) AS pending,
    COALESCE(SUM(published), 0) AS published,
    COALESCE(SUM(failed) FILTER (WHERE created_at > newest_at - INTERVAL '7 days'), 0) AS failed_lately,
    MIN(created_at) AS first_at,
    MAX(created_at) AS last_at
  FROM (
    SELECT
      videos,
      ready,
      failed,
      pending,
      published,
      created_at,
      MAX(created_at) OVER () AS newest_at
    FROM reports.video_readiness
  ) AS campaigns
), submissions AS (
  SELECT
    COUNT(*) FILTER (WHERE state = 'known') AS known,
    COUNT(*) FILTER (WHERE state = 'unknown') AS unknown
  FROM (
    SELECT state FROM klipit.submissions
    UNION ALL
    SELECT state FROM clipus.submissions
  ) AS states
)
SELECT
  jobs.jobs::BIGINT                       AS jobs,                  /* Jobs */
  jobs.finished::BIGINT                   AS jobs_finished,         /* Jobs that are complete */
  jobs.failed::BIGINT                     AS jobs_failed,           /* Jobs that failed */
  jobs.running::BIGINT                    AS jobs_running,          /* Jobs neither complete nor failed */
  jobs.first_at::TIMESTAMPTZ              AS first_job_at,          /* When the first job was created (UTC
                                                                       instant); NULL without */
  jobs.last_at::TIMESTAMPTZ               AS last_job_at,           /* When the last job was created (UTC
                                                                       instant); NULL without */
  clips.clips::BIGINT                     AS clips,                 /* Clips, unscored ones included */
  clips.clips_80_plus::BIGINT             AS clips_80_plus,         /* Clips of 80 points or more */
  clips.median_score::DOUBLE              AS median_score,          /* Median score of all clips in points;
                                                                       NULL if none is scored */
  campaigns.campaigns::BIGINT             AS campaigns,             /* Campaigns */
  campaigns.videos::BIGINT                AS videos,                /* Videos of all campaigns */
  campaigns.ready::BIGINT                 AS ready,                 /* Videos that can be downloaded */
  campaigns.failed::BIGINT                AS failed,                /* Videos that failed */
  campaigns.pending::BIGINT               AS pending,               /* Videos neither ready nor failed */
  campaigns.published::BIGINT             AS published,             /* Videos with a published_at */
  campaigns.failed_lately::BIGINT         AS failed_lately,         /* Failed videos of the campaigns of the
                                                                       7 days up to the newest one */
  campaigns.first_at::TIMESTAMPTZ         AS first_campaign_at,     /* When the first campaign was created
                                                                       (UTC instant); NULL without */
  campaigns.last_at::TIMESTAMPTZ          AS last_campaign_at,      /* When the last campaign was created (UTC
                                                                       instant); NULL without */
  submissions.known::BIGINT               AS submissions_known,     /* Submissions of both services whose job
                                                                       or campaign is known */
  submissions.unknown::BIGINT             AS submissions_unknown    /* Submissions of both services whose
                                                                       outcome is unknown */
FROM jobs
CROSS JOIN clips
CROSS JOIN campaigns
CROSS JOIN submissions
