-- grain: moment_type, score
-- reads: staging.stg_klipit__clips
CREATE VIEW staging.page_score_marks AS
WITH scored AS (
  SELECT
    stg_klipit__clips.moment_type AS moment_type,
    stg_klipit__clips.score AS score
  FROM staging.stg_klipit__clips AS stg_klipit__clips
  WHERE
    NOT stg_klipit__clips.score IS NULL
), quantiles AS (
  SELECT
    MIN(scored.score) AS lowest,
    MAX(scored.score) AS highest,
    QUANTILE_CONT(scored.score, 0.1) AS p10,
    QUANTILE_CONT(scored.score, 0.9) AS p90
  FROM scored AS scored
), bounds AS (
  SELECT
    GREATEST(quantiles.lowest, 4 * quantiles.p10 - 3 * quantiles.p90) AS low,
    LEAST(quantiles.highest, 4 * quantiles.p90 - 3 * quantiles.p10) AS high
  FROM quantiles AS quantiles
), marks AS (
  SELECT
    scored.moment_type AS moment_type,
    bounds.low + (
      bounds.high - bounds.low
    ) / 100 * COALESCE(
      ROUND(
        100 * (
          LEAST(GREATEST(scored.score, bounds.low), bounds.high) - bounds.low
        ) / NULLIF(bounds.high - bounds.low, 0)
      ),
      0
    ) AS score
  FROM scored AS scored
  CROSS JOIN bounds AS bounds
)
SELECT
  CAST(marks.moment_type AS TEXT) AS moment_type,
  CAST(marks.score AS DOUBLE) AS score,
  CAST(COUNT(*) AS BIGINT) AS clips
FROM marks AS marks
GROUP BY
  marks.moment_type,
  marks.score
ORDER BY
  moment_type,
  score;

COMMENT ON VIEW staging.page_score_marks IS 'Where the scored clips of each moment type are on the page''s scale. One row per moment type and mark.';
COMMENT ON COLUMN staging.page_score_marks.moment_type IS 'Kind of moment; NULL if the API named none';
COMMENT ON COLUMN staging.page_score_marks.score IS 'Points, rounded to a hundredth of the range that is shown';
COMMENT ON COLUMN staging.page_score_marks.clips IS 'Clips at this mark';

-- audit: sums_to_rows
SELECT
  counted.here AS here,
  counted.there AS there
FROM (
  SELECT
    (
      SELECT
        COALESCE(SUM(clips), 0)
      FROM staging.page_score_marks AS page_score_marks
    ) AS here,
    (
      SELECT
        COUNT(*)
      FROM staging.stg_klipit__clips AS stg_klipit__clips
      WHERE
        NOT score IS NULL
    ) AS there
) AS counted
WHERE
  counted.here <> counted.there;
