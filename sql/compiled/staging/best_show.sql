-- grain: show_name
-- reads: staging.show_scores
CREATE VIEW staging.best_show AS
WITH compared AS (
  SELECT
    show_scores.show_name AS show_name,
    show_scores.scored_jobs AS scored_jobs,
    show_scores.mean_score AS mean_score,
    show_scores.standard_error AS standard_error,
    ROW_NUMBER() OVER (ORDER BY show_scores.mean_score DESC, show_scores.show_name) AS place
  FROM staging.show_scores AS show_scores
  WHERE
    show_scores.scored_jobs >= 5
    AND REGEXP_MATCHES(show_scores.show_name, '[^\s\pZ]')
)
SELECT
  CAST(best.show_name AS TEXT) AS show_name,
  CAST(best.scored_jobs AS BIGINT) AS scored_jobs,
  CAST(best.mean_score AS DOUBLE) AS mean_score,
  CAST(MIN(best.mean_score - other.mean_score) AS DOUBLE) AS lead
FROM compared AS best
INNER JOIN compared AS other
  ON best.place < other.place
WHERE
  best.place = 1
GROUP BY
  best.show_name,
  best.scored_jobs,
  best.mean_score
HAVING
  BOOL_AND(
    best.mean_score - other.mean_score > 1.645 * SQRT(POWER(best.standard_error, 2) + POWER(other.standard_error, 2))
  );

COMMENT ON VIEW staging.best_show IS 'The show that does best. One row; none unless one leads clearly.';
COMMENT ON COLUMN staging.best_show.show_name IS 'Show, as submitted';
COMMENT ON COLUMN staging.best_show.scored_jobs IS 'Its complete jobs with a scored clip';
COMMENT ON COLUMN staging.best_show.mean_score IS 'Mean score of its clips in points';
COMMENT ON COLUMN staging.best_show.lead IS 'Points that the next show''s mean is below it';

-- audit: is_key
SELECT
  show_name AS show_name
FROM staging.best_show AS best_show
GROUP BY
  show_name
HAVING
  COUNT(*) > 1 OR show_name IS NULL;
