-- reads: clipus.submissions, klipit.submissions, reports.video_readiness, staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE VIEW staging.page_totals AS
WITH jobs AS (
  SELECT
    COUNT(*) AS jobs,
    COUNT(*) FILTER(WHERE
      stg_klipit__jobs.outcome = 'finished') AS finished,
    COUNT(*) FILTER(WHERE
      stg_klipit__jobs.outcome = 'failed') AS failed,
    COUNT(*) FILTER(WHERE
      stg_klipit__jobs.outcome = 'running') AS running,
    MIN(stg_klipit__jobs.created_at) AS first_at,
    MAX(stg_klipit__jobs.created_at) AS last_at
  FROM staging.stg_klipit__jobs AS stg_klipit__jobs
), clips AS (
  SELECT
    COUNT(*) AS clips,
    COUNT(*) FILTER(WHERE
      stg_klipit__clips.score >= 80) AS clips_80_plus,
    QUANTILE_CONT(stg_klipit__clips.score, 0.5) AS median_score
  FROM staging.stg_klipit__clips AS stg_klipit__clips
), campaigns AS (
  SELECT
    COUNT(*) AS campaigns,
    COALESCE(SUM(campaigns.videos), 0) AS videos,
    COALESCE(SUM(campaigns.ready), 0) AS ready,
    COALESCE(SUM(campaigns.failed), 0) AS failed,
    COALESCE(SUM(campaigns.pending), 0) AS pending,
    COALESCE(SUM(campaigns.published), 0) AS published,
    COALESCE(
      SUM(campaigns.failed) FILTER(WHERE
        campaigns.created_at > campaigns.newest_at - INTERVAL '7' DAYS),
      0
    ) AS failed_lately,
    MIN(campaigns.created_at) AS first_at,
    MAX(campaigns.created_at) AS last_at
  FROM (
    SELECT
      video_readiness.videos AS videos,
      video_readiness.ready AS ready,
      video_readiness.failed AS failed,
      video_readiness.pending AS pending,
      video_readiness.published AS published,
      video_readiness.created_at AS created_at,
      MAX(video_readiness.created_at) OVER () AS newest_at
    FROM reports.video_readiness AS video_readiness
  ) AS campaigns
), submissions AS (
  SELECT
    COUNT(*) FILTER(WHERE
      states.state = 'known') AS known,
    COUNT(*) FILTER(WHERE
      states.state = 'unknown') AS unknown
  FROM (
    SELECT
      submissions.state AS state
    FROM klipit.submissions AS submissions
    UNION ALL
    SELECT
      submissions.state AS state
    FROM clipus.submissions AS submissions
  ) AS states
)
SELECT
  CAST(jobs.jobs AS BIGINT) AS jobs,
  CAST(jobs.finished AS BIGINT) AS jobs_finished,
  CAST(jobs.failed AS BIGINT) AS jobs_failed,
  CAST(jobs.running AS BIGINT) AS jobs_running,
  CAST(jobs.first_at AS TIMESTAMPTZ) AS first_job_at,
  CAST(jobs.last_at AS TIMESTAMPTZ) AS last_job_at,
  CAST(clips.clips AS BIGINT) AS clips,
  CAST(clips.clips_80_plus AS BIGINT) AS clips_80_plus,
  CAST(clips.median_score AS DOUBLE) AS median_score,
  CAST(campaigns.campaigns AS BIGINT) AS campaigns,
  CAST(campaigns.videos AS BIGINT) AS videos,
  CAST(campaigns.ready AS BIGINT) AS ready,
  CAST(campaigns.failed AS BIGINT) AS failed,
  CAST(campaigns.pending AS BIGINT) AS pending,
  CAST(campaigns.published AS BIGINT) AS published,
  CAST(campaigns.failed_lately AS BIGINT) AS failed_lately,
  CAST(campaigns.first_at AS TIMESTAMPTZ) AS first_campaign_at,
  CAST(campaigns.last_at AS TIMESTAMPTZ) AS last_campaign_at,
  CAST(submissions.known AS BIGINT) AS submissions_known,
  CAST(submissions.unknown AS BIGINT) AS submissions_unknown
FROM jobs AS jobs
CROSS JOIN clips AS clips
CROSS JOIN campaigns AS campaigns
CROSS JOIN submissions AS submissions;

COMMENT ON VIEW staging.page_totals IS 'The totals at the head of the page. Exactly one row.';
COMMENT ON COLUMN staging.page_totals.jobs IS 'Jobs';
COMMENT ON COLUMN staging.page_totals.jobs_finished IS 'Jobs that are complete';
COMMENT ON COLUMN staging.page_totals.jobs_failed IS 'Jobs that failed';
COMMENT ON COLUMN staging.page_totals.jobs_running IS 'Jobs neither complete nor failed';
COMMENT ON COLUMN staging.page_totals.first_job_at IS 'When the first job was created (UTC instant); NULL without';
COMMENT ON COLUMN staging.page_totals.last_job_at IS 'When the last job was created (UTC instant); NULL without';
COMMENT ON COLUMN staging.page_totals.clips IS 'Clips, unscored ones included';
COMMENT ON COLUMN staging.page_totals.clips_80_plus IS 'Clips of 80 points or more';
COMMENT ON COLUMN staging.page_totals.median_score IS 'Median score of all clips in points; NULL if none is scored';
COMMENT ON COLUMN staging.page_totals.campaigns IS 'Campaigns';
COMMENT ON COLUMN staging.page_totals.videos IS 'Videos of all campaigns';
COMMENT ON COLUMN staging.page_totals.ready IS 'Videos that can be downloaded';
COMMENT ON COLUMN staging.page_totals.failed IS 'Videos that failed';
COMMENT ON COLUMN staging.page_totals.pending IS 'Videos neither ready nor failed';
COMMENT ON COLUMN staging.page_totals.published IS 'Videos with a published_at';
COMMENT ON COLUMN staging.page_totals.failed_lately IS 'Failed videos of the campaigns of the 7 days up to the newest one';
COMMENT ON COLUMN staging.page_totals.first_campaign_at IS 'When the first campaign was created (UTC instant); NULL without';
COMMENT ON COLUMN staging.page_totals.last_campaign_at IS 'When the last campaign was created (UTC instant); NULL without';
COMMENT ON COLUMN staging.page_totals.submissions_known IS 'Submissions of both services whose job or campaign is known';
COMMENT ON COLUMN staging.page_totals.submissions_unknown IS 'Submissions of both services whose outcome is unknown';

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(jobs_finished + jobs_failed + jobs_running), 0)
      FROM staging.page_totals AS page_totals
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_klipit__jobs AS stg_klipit__jobs
      WHERE
        TRUE
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(clips), 0)
      FROM staging.page_totals AS page_totals
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_klipit__clips AS stg_klipit__clips
      WHERE
        TRUE
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(ready + failed + pending), 0)
      FROM staging.page_totals AS page_totals
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_clipus__videos AS stg_clipus__videos
      WHERE
        TRUE
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;
