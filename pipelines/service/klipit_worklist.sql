-- The state of every tracked job: a row for each, for sync/due.sql.
-- A row counts only if its load was completed: a load that was cut off leaves rows whose siblings
-- may be missing. $refused, $tracked, $now, $finished and $failed are filled in.
WITH
  known AS (
    SELECT job_id AS id, min(recorded_at) AS known_at, bool_and(origin = 'webhook') AS by_webhook
    FROM klipit.submissions
    WHERE job_id IS NOT NULL AND $tracked
    GROUP BY job_id
  ),
  events AS (
    SELECT
      job_id AS id,
      max(COALESCE(event_at, received_at)) AS event_at,
      max(received_at) AS received_at,
      COALESCE(bool_and(event = 'job.created'), false) AS only_created
    FROM klipit.webhook_events
    GROUP BY job_id
  ),
  refused AS ($refused),
  jobs AS (
    SELECT j.* FROM klipit.jobs AS j
    SEMI JOIN klipit._dlt_loads AS l ON l.load_id = j._dlt_load_id AND l.status = 0
  ),
  reads AS (
    SELECT r.job_id, r.observed_at FROM klipit.clip_reads AS r
    SEMI JOIN klipit._dlt_loads AS l ON l.load_id = r._dlt_load_id AND l.status = 0
  ),
  gone AS (
    SELECT job_id AS id, max(observed_at) AS observed_at
    FROM klipit.job_observations
    WHERE status = 'not_found'
    GROUP BY job_id
  )
SELECT
  k.id,
  k.known_at,
  e.event_at,
  -- job.complete may come by itself: a job known from its job.created alone is given time for it.
  CASE WHEN k.by_webhook AND e.only_created THEN e.received_at END AS created_event_at,
  j.id IS NOT NULL AS loaded,
  lower(j.status) IN (SELECT unnest($finished)) AS finished,
  lower(j.status) IN (SELECT unnest($failed)) AS failed,
  j.observed_at,
  r.observed_at AS children_read_at,
  COALESCE(
    r.observed_at >= CASE
      WHEN j.completed_at <= j.observed_at THEN j.completed_at ELSE j.observed_at
    END,
    false
  ) OR COALESCE(j.clip_count = 0, false) AS settled,
  -- Clips that were refused are read again as the job's age allows, others at once.
  x.seen_at IS NULL AS due_when_finished,
  NULL::INTERVAL AS wait_when_finished,
  true AS reads_children,
  COALESCE(g.observed_at >= j.observed_at, false) AS gone,
  g.observed_at AS gone_at,
  x.seen_at AS refused_at,
  COALESCE(x.not_found, false) AS not_found,
  $now - COALESCE(plausible(j.created_at, j.observed_at), k.known_at) AS age
FROM known AS k
LEFT JOIN events AS e USING (id)
LEFT JOIN jobs AS j USING (id)
LEFT JOIN reads AS r ON r.job_id = k.id
LEFT JOIN gone AS g USING (id)
LEFT JOIN refused AS x USING (id)
