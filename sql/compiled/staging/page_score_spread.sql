-- grain: moment_type
-- reads: staging.stg_klipit__clips
CREATE VIEW staging.page_score_spread AS
SELECT
  CAST(stg_klipit__clips.moment_type AS TEXT) AS moment_type,
  CAST(MIN(stg_klipit__clips.score) AS DOUBLE) AS min_score,
  CAST(QUANTILE_CONT(stg_klipit__clips.score, 0.1) AS DOUBLE) AS p10_score,
  CAST(QUANTILE_CONT(stg_klipit__clips.score, 0.25) AS DOUBLE) AS p25_score,
  CAST(QUANTILE_CONT(stg_klipit__clips.score, 0.75) AS DOUBLE) AS p75_score
FROM staging.stg_klipit__clips AS stg_klipit__clips
GROUP BY
  stg_klipit__clips.moment_type;

COMMENT ON VIEW staging.page_score_spread IS 'How far the scores of each moment type spread. One row per moment type.';
COMMENT ON COLUMN staging.page_score_spread.moment_type IS 'Kind of moment; NULL if the API named none';
COMMENT ON COLUMN staging.page_score_spread.min_score IS 'Lowest score in points; NULL if none is scored';
COMMENT ON COLUMN staging.page_score_spread.p10_score IS '10th percentile of the scores in points, interpolated; NULL if none is scored';
COMMENT ON COLUMN staging.page_score_spread.p25_score IS '25th percentile of the scores in points, interpolated; NULL if none is scored';
COMMENT ON COLUMN staging.page_score_spread.p75_score IS '75th percentile of the scores in points, interpolated; NULL if none is scored';

-- audit: counts_every_row
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COUNT(*)
      FROM staging.page_score_spread AS page_score_spread
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM reports.moment_types AS moment_types
      WHERE
        TRUE
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;
