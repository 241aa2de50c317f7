/* The show that does best. One row; none unless one leads clearly. */
MODEL (
  name staging.best_show,
  kind VIEW,
  grain show_name,
  audits (
    is_key(columns := (show_name))
  )
);

/* Named shows of at least five scored episodes; a lead counts if chance gives a larger one in at most 5 of
   100 cases. */
WITH compared AS (
  SELECT
    show_name,
    scored_jobs,
    mean_score,
    standard_error,
    ROW_NUMBER() OVER (ORDER BY mean_score DESC, show_name) AS place
  FROM staging.show_scores
  WHERE REGEXP_MATCHES(show_name, '[^\s\pZ]') AND scored_jobs >= 5
)
SELECT
  best.show_name::TEXT                            AS show_name,   /* Show, as submitted */
  best.scored_jobs::BIGINT                        AS scored_jobs, /* Its complete jobs with a scored clip */
  best.mean_score::DOUBLE                         AS mean_score,  /* Mean score of its clips in points */
  MIN(best.mean_score - other.mean_score)::DOUBLE AS lead         /* Points that the next show's mean is below
                                                                     it */
FROM compared AS best
INNER JOIN compared AS other
  ON other.place > best.place
WHERE best.place = 1
GROUP BY best.show_name, best.scored_jobs, best.mean_score
HAVING
  BOOL_AND(
    best.mean_score - other.mean_score
    > 1.645 * SQRT(POWER(best.standard_error, 2) + POWER(other.standard_error, 2))
  )
