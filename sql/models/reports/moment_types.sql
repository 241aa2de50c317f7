/* Which kinds of moment score best. One row per moment type. */
MODEL (
  name reports.moment_types,
  kind FULL,
  grain moment_type,
  audits (
    unique_values(columns := (moment_type)),
    sums_to_rows(total := clips, of := staging.stg_klipit__clips)
  )
);

/* Unscored clips count in clips only. */
WITH overall AS (
  SELECT
    COUNT(*) AS clips,
    AVG(score) AS mean_score
  FROM staging.stg_klipit__clips
), types AS (
  SELECT
    moment_type,
    COUNT(*) AS clips,
    COUNT(DISTINCT job_id) FILTER (WHERE score IS NOT NULL) AS jobs,
    AVG(score) AS mean_score,
    QUANTILE_CONT(score, 0.5) AS median_score,
    QUANTILE_CONT(score, 0.9) AS p90_score,
    MAX(score) AS best_score,
    AVG(duration_seconds) FILTER (WHERE score IS NOT NULL) AS mean_duration_seconds
  FROM staging.stg_klipit__clips
  GROUP BY moment_type
)
SELECT
  types.moment_type::TEXT               AS moment_type,           /* Kind of moment; NULL if the API named
                                                                     none */
  types.clips::BIGINT                   AS clips,                 /* Clips of this type, unscored ones
                                                                     included */
  (types.clips / overall.clips)::DOUBLE AS share_of_clips,        /* Of all clips, 0 to 1; the shares add up
                                                                     to 1 */
  types.jobs::BIGINT                    AS jobs,                  /* Jobs with a scored clip of this type */
  types.mean_score::DOUBLE              AS mean_score,            /* Mean score in points; NULL if none is
                                                                     scored */
  types.median_score::DOUBLE            AS median_score,          /* Median score in points; NULL if none
                                                                     is scored */
  types.p90_score::DOUBLE               AS p90_score,             /* 90th percentile of the scores in
                                                                     points, interpolated; NULL if none
                                                                     is scored */
  types.best_score::DOUBLE              AS best_score,            /* Highest score in points; NULL if none
                                                                     is scored */
  types.mean_duration_seconds::DOUBLE   AS mean_duration_seconds, /* Mean length of the scored clips in
                                                                     seconds; NULL if none is scored */
  (types.mean_score - overall.mean_score)::DOUBLE
                                        AS lift                   /* Its mean score less the mean of all
                                                                     clips, in points; NULL if none is
                                                                     scored */
FROM types
CROSS JOIN overall
ORDER BY types.mean_score DESC NULLS LAST, types.moment_type
