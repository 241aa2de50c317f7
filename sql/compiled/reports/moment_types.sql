-- grain: moment_type
-- reads: staging.stg_klipit__clips
CREATE TABLE reports.moment_types AS
WITH overall AS (
  SELECT
    COUNT(*) AS clips,
    AVG(stg_klipit__clips.score) AS mean_score
  FROM staging.stg_klipit__clips AS stg_klipit__clips
), types AS (
  SELECT
    stg_klipit__clips.moment_type AS moment_type,
    COUNT(*) AS clips,
    COUNT(DISTINCT stg_klipit__clips.job_id) FILTER(WHERE
      NOT stg_klipit__clips.score IS NULL) AS jobs,
    AVG(stg_klipit__clips.score) AS mean_score,
    QUANTILE_CONT(stg_klipit__clips.score, 0.5) AS median_score,
    QUANTILE_CONT(stg_klipit__clips.score, 0.9) AS p90_score,
    MAX(stg_klipit__clips.score) AS best_score,
    AVG(stg_klipit__clips.duration_seconds) FILTER(WHERE
      NOT stg_klipit__clips.score IS NULL) AS mean_duration_seconds
  FROM staging.stg_klipit__clips AS stg_klipit__clips
  GROUP BY
    stg_klipit__clips.moment_type
)
SELECT
  CAST(types.moment_type AS TEXT) AS moment_type,
  CAST(types.clips AS BIGINT) AS clips,
  CAST((
    types.clips / overall.clips
  ) AS DOUBLE) AS share_of_clips,
  CAST(types.jobs AS BIGINT) AS jobs,
  CAST(types.mean_score AS DOUBLE) AS mean_score,
  CAST(types.median_score AS DOUBLE) AS median_score,
  CAST(types.p90_score AS DOUBLE) AS p90_score,
  CAST(types.best_score AS DOUBLE) AS best_score,
  CAST(types.mean_duration_seconds AS DOUBLE) AS mean_duration_seconds,
  CAST((
    types.mean_score - overall.mean_score
  ) AS DOUBLE) AS lift
FROM types AS types
CROSS JOIN overall AS overall
ORDER BY
  types.mean_score DESC,
  types.moment_type;

COMMENT ON TABLE reports.moment_types IS 'Which kinds of moment score best. One row per moment type.';
COMMENT ON COLUMN reports.moment_types.moment_type IS 'Kind of moment; NULL if the API named none';
COMMENT ON COLUMN reports.moment_types.clips IS 'Clips of this type, unscored ones included';
COMMENT ON COLUMN reports.moment_types.share_of_clips IS 'Of all clips, 0 to 1; the shares add up to 1';
COMMENT ON COLUMN reports.moment_types.jobs IS 'Jobs with a scored clip of this type';
COMMENT ON COLUMN reports.moment_types.mean_score IS 'Mean score in points; NULL if none is scored';
COMMENT ON COLUMN reports.moment_types.median_score IS 'Median score in points; NULL if none is scored';
COMMENT ON COLUMN reports.moment_types.p90_score IS '90th percentile of the scores in points, interpolated; NULL if none is scored';
COMMENT ON COLUMN reports.moment_types.best_score IS 'Highest score in points; NULL if none is scored';
COMMENT ON COLUMN reports.moment_types.mean_duration_seconds IS 'Mean length of the scored clips in seconds; NULL if none is scored';
COMMENT ON COLUMN reports.moment_types.lift IS 'Its mean score less the mean of all clips, in points; NULL if none is scored';

-- audit: unique_values
SELECT
  *
FROM (
  SELECT
    ROW_NUMBER() OVER (PARTITION BY moment_type ORDER BY moment_type NULLS FIRST) AS rank_moment_type
  FROM reports.moment_types AS moment_types
  WHERE
    TRUE
) AS _0
WHERE
  rank_moment_type > 1;

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(clips), 0)
      FROM reports.moment_types AS moment_types
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
