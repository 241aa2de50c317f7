-- grain: job_id
-- reads: staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE TABLE reports.shareability AS
WITH clips AS (
  SELECT
    stg_klipit__clips.job_id AS job_id,
    COUNT(*) AS clips,
    AVG(stg_klipit__clips.score) AS mean_score,
    QUANTILE_CONT(stg_klipit__clips.score, 0.5) AS median_score,
    MAX(stg_klipit__clips.score) AS best_score,
    COUNT(*) FILTER(WHERE
      stg_klipit__clips.score >= 80) AS clips_80_plus
  FROM staging.stg_klipit__clips AS stg_klipit__clips
  GROUP BY
    stg_klipit__clips.job_id
), best AS (
  SELECT
    candidates.job_id AS job_id,
    candidates.clip_id AS clip_id,
    candidates.hook_suggestion AS hook_suggestion
  FROM staging.stg_klipit__clips AS candidates
  INNER JOIN clips AS clips
    ON candidates.job_id = clips.job_id AND candidates.score = clips.best_score
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY candidates.job_id
      ORDER BY candidates.start_seconds, candidates.clip_id
    ) = 1
)
SELECT
  CAST(jobs.job_id AS TEXT) AS job_id,
  CAST(jobs.show_name AS TEXT) AS show_name,
  CAST(jobs.guest_name AS TEXT) AS guest_name,
  CAST(jobs.created_at AS TIMESTAMPTZ) AS created_at,
  CAST(COALESCE(clips.clips, 0) AS BIGINT) AS clips,
  CAST(clips.mean_score AS DOUBLE) AS mean_score,
  CAST(clips.median_score AS DOUBLE) AS median_score,
  CAST(clips.best_score AS DOUBLE) AS best_score,
  CAST(best.clip_id AS TEXT) AS best_clip_id,
  CAST(best.hook_suggestion AS TEXT) AS best_hook,
  CAST(COALESCE(clips.clips_80_plus, 0) AS BIGINT) AS clips_80_plus,
  CAST(jobs.episode AS TEXT) AS episode,
  CAST(jobs.source_seconds AS DOUBLE) AS source_seconds
FROM staging.stg_klipit__jobs AS jobs
LEFT JOIN clips AS clips
  ON clips.job_id = jobs.job_id
LEFT JOIN best AS best
  ON best.job_id = jobs.job_id
WHERE
  jobs.outcome = 'finished'
ORDER BY
  jobs.created_at DESC,
  jobs.job_id;

COMMENT ON TABLE reports.shareability IS 'How shareable each complete job turned out. One row per complete job.';
COMMENT ON COLUMN reports.shareability.job_id IS 'Klipit job id';
COMMENT ON COLUMN reports.shareability.show_name IS 'Show, as submitted; NULL if not given';
COMMENT ON COLUMN reports.shareability.guest_name IS 'Guest, as submitted; NULL if not given';
COMMENT ON COLUMN reports.shareability.created_at IS 'When the job was created (UTC instant)';
COMMENT ON COLUMN reports.shareability.clips IS 'Clips of the job, unscored ones included; 0 without clips';
COMMENT ON COLUMN reports.shareability.mean_score IS 'Mean score in points; NULL if no clip is scored';
COMMENT ON COLUMN reports.shareability.median_score IS 'Median score in points; NULL if no clip is scored';
COMMENT ON COLUMN reports.shareability.best_score IS 'Highest score in points; NULL if no clip is scored';
COMMENT ON COLUMN reports.shareability.best_clip_id IS 'The clip with it; of equals the one that starts first, then by id';
COMMENT ON COLUMN reports.shareability.best_hook IS 'First line suggested for that clip; NULL if the API gives none';
COMMENT ON COLUMN reports.shareability.clips_80_plus IS 'Clips of 80 points or more; 0 without clips';
COMMENT ON COLUMN reports.shareability.episode IS 'What to call it: the first line of its description, else the guest, else the job id';
COMMENT ON COLUMN reports.shareability.source_seconds IS 'Length of the episode in seconds; NULL until the API says';

-- audit: is_key
SELECT
  job_id AS job_id
FROM reports.shareability AS shareability
GROUP BY
  job_id
HAVING
  COUNT(*) > 1 OR job_id IS NULL;

-- audit: counts_every_row
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COUNT(*)
      FROM reports.shareability AS shareability
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_klipit__jobs AS stg_klipit__jobs
      WHERE
        outcome = 'finished'
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;
