-- grain: status
CREATE VIEW staging.status_words AS
SELECT
  CAST(words.status AS TEXT) AS status,
  CAST(words.outcome AS TEXT) AS outcome
FROM (VALUES
  ('complete', 'finished'),
  ('completed', 'finished'),
  ('ready', 'finished'),
  ('published', 'finished'),
  ('done', 'finished'),
  ('failed', 'failed'),
  ('error', 'failed'),
  ('cancelled', 'failed'),
  ('canceled', 'failed')) AS words(status, outcome);

COMMENT ON VIEW staging.status_words IS 'What a status word means, for jobs, campaigns and videos alike. Any other word means running.';
COMMENT ON COLUMN staging.status_words.status IS 'A status as an API gives it';
COMMENT ON COLUMN staging.status_words.outcome IS 'finished or failed';

-- audit: is_key
SELECT
  status AS status
FROM staging.status_words AS status_words
GROUP BY
  status
HAVING
  COUNT(*) > 1 OR status IS NULL;
