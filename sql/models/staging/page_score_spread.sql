/* How far the scores of each moment type spread. One row per moment type. */
MODEL (
  name staging.page_score_spread,
  kind VIEW,
  grain moment_type,
  audits (
    counts_every_row(of := reports.moment_types)
  )
);

SELECT
  moment_type::TEXT                  AS moment_type, /* Kind of moment; NULL if the API named none */
  MIN(score)::DOUBLE                 AS min_score,   /* Lowest score in points; NULL if none is scored */
  QUANTILE_CONT(score, 0.1)::DOUBLE  AS p10_score,   /* 10th percentile of the scores in points, interpolated;
                                                        NULL if none is scored */
  QUANTILE_CONT(score, 0.25)::DOUBLE AS p25_score,   /* 25th percentile of the scores in points, interpolated;
                                                        NULL if none is scored */
  QUANTILE_CONT(score, 0.75)::DOUBLE AS p75_score    /* 75th percentile of the scores in points, interpolated;
                                                        NULL if none is scored */
FROM staging.stg_klipit__clips
GROUP BY moment_type
