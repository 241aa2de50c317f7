/* What a status word means, for jobs, campaigns and videos alike. Any other word means running. */
MODEL (
  name staging.status_words,
  kind VIEW,
  grain status,
  audits (
    is_key(columns := (status))
  )
);

/* The references name complete, failed and ready; the other words are likely ones of an open list. */
SELECT
  status::TEXT  AS status,  /* A status as an API gives it */
  outcome::TEXT AS outcome  /* finished or failed */
FROM (
  VALUES
    ('complete', 'finished'),
    ('completed', 'finished'),
    ('ready', 'finished'),
    ('published', 'finished'),
    ('done', 'finished'),
    ('failed', 'failed'),
    ('error', 'failed'),
    ('cancelled', 'failed'),
    ('canceled', 'failed')
) AS words(status, outcome)
