/* Where the scored clips of each moment type are on the page's scale. One row per moment type and mark. */
MODEL (
  name staging.page_score_marks,
  kind VIEW,
  grain (moment_type, score),
  audits (
    sums_to_rows(total := clips, of := staging.stg_klipit__clips, condition := score IS NOT NULL)
  )
);

/* A hundredth of the range apart: a bounded number of marks for any number of clips. */
WITH scored AS (
  SELECT
    moment_type,
    score
  FROM staging.stg_klipit__clips
  WHERE score IS NOT NULL
), quantiles AS (
  SELECT
    MIN(score) AS lowest,
    MAX(score) AS highest,
    QUANTILE_CONT(score, 0.1) AS p10,
    QUANTILE_CONT(score, 0.9) AS p90
  FROM scored
), bounds AS (
  /* A score absurdly far from the others is marked at the edge, lest all others become one mark. */
  SELECT
    GREATEST(lowest, 4 * p10 - 3 * p90) AS low,
    LEAST(highest, 4 * p90 - 3 * p10) AS high
  FROM quantiles
), marks AS (
  SELECT
    scored.moment_type,
    bounds.low + (bounds.high - bounds.low) / 100 * COALESCE(
      ROUND(
        100 * (LEAST(GREATEST(scored.score, bounds.low), bounds.high) - bounds.low)
        / NULLIF(bounds.high - bounds.low, 0)
      ),
      0
    ) AS score
  FROM scored
  CROSS JOIN bounds
)
SELECT
  moment_type::TEXT AS moment_type, /* Kind of moment; NULL if the API named none */
  score::DOUBLE     AS score,       /* Points, rounded to a hundredth of the range that is shown */
  COUNT(*)::BIGINT  AS clips        /* Clips at this mark */
FROM marks
GROUP BY moment_type, score
ORDER BY moment_type, score
