-- grain: clip_id
-- reads: staging.overlapped_clips, staging.stg_klipit__clips, staging.stg_klipit__jobs
CREATE VIEW reports.clips AS
SELECT
  CAST(clips.clip_id AS TEXT) AS clip_id,
  CAST(clips.job_id AS TEXT) AS job_id,
  CAST(jobs.episode AS TEXT) AS episode,
  CAST(jobs.show_name AS TEXT) AS show_name,
  CAST(jobs.guest_name AS TEXT) AS guest_name,
  CAST(clips.moment_type AS TEXT) AS moment_type,
  CAST(clips.score AS DOUBLE) AS score,
  CAST(clips.reason AS TEXT) AS reason,
  CAST(clips.hook_suggestion AS TEXT) AS hook_suggestion,
  CAST(clips.start_seconds AS DOUBLE) AS start_seconds,
  CAST(clips.end_seconds AS DOUBLE) AS end_seconds,
  CAST(clips.duration_seconds AS DOUBLE) AS duration_seconds,
  CAST(CASE
    WHEN clips.start_seconds <= jobs.source_seconds
    AND clips.start_seconds >= 0
    AND jobs.source_seconds > 0
    THEN clips.start_seconds / jobs.source_seconds
  END AS DOUBLE) AS "position",
  CAST(NOT overlapped.clip_id IS NULL AS BOOLEAN) AS overlaps_better,
  CAST(clips.media_url AS TEXT) AS media_url,
  CAST(jobs.created_at AS TIMESTAMPTZ) AS created_at
FROM staging.stg_klipit__clips AS clips
LEFT JOIN staging.stg_klipit__jobs AS jobs
  ON clips.job_id = jobs.job_id
LEFT JOIN staging.overlapped_clips AS overlapped
  ON clips.clip_id = overlapped.clip_id;

COMMENT ON VIEW reports.clips IS 'Every clip, unscored ones included. One row per clip.';
COMMENT ON COLUMN reports.clips.clip_id IS 'Klipit clip id';
COMMENT ON COLUMN reports.clips.job_id IS 'Job that it was cut from';
COMMENT ON COLUMN reports.clips.episode IS 'What to call its episode: the first line of the description, else the guest, else the job id';
COMMENT ON COLUMN reports.clips.show_name IS 'Show, as submitted; NULL if not given';
COMMENT ON COLUMN reports.clips.guest_name IS 'Guest, as submitted; NULL if not given';
COMMENT ON COLUMN reports.clips.moment_type IS 'Kind of moment; the list is open; NULL if the API named none';
COMMENT ON COLUMN reports.clips.score IS 'Points, higher is better; NULL if unscored';
COMMENT ON COLUMN reports.clips.reason IS 'Why it may be shared, in the API''s words; NULL if it gives none';
COMMENT ON COLUMN reports.clips.hook_suggestion IS 'A first line for the post; NULL if the API gives none';
COMMENT ON COLUMN reports.clips.start_seconds IS 'Where it starts in the episode, in seconds';
COMMENT ON COLUMN reports.clips.end_seconds IS 'Where it ends in the episode, in seconds';
COMMENT ON COLUMN reports.clips.duration_seconds IS 'Its length in seconds';
COMMENT ON COLUMN reports.clips.position IS 'Where it starts, as a part of the episode''s length, 0 to 1; NULL if either is unknown or impossible';
COMMENT ON COLUMN reports.clips.overlaps_better IS 'A clip of the same job with a higher score shows more than half of it';
COMMENT ON COLUMN reports.clips.media_url IS 'Download link; NULL until there is one. It may expire';
COMMENT ON COLUMN reports.clips.created_at IS 'When the job was created (UTC instant)';

-- audit: counts_every_row
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COUNT(*)
      FROM reports.clips AS clips
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
