-- The state of every tracked campaign: a row for each, for sync/due.sql.
-- A row counts only if its load was completed: a load that was cut off leaves rows whose siblings
-- may be missing. $refused, $tracked, $now, $finished, $failed, $hinted and $hinted_at are filled in.
WITH
  known AS (
    SELECT campaign_id AS id, min(recorded_at) AS known_at
    FROM clipus.submissions
    WHERE campaign_id IS NOT NULL AND $tracked
    GROUP BY campaign_id
  ),
  refused AS ($refused),
  campaigns AS (
    SELECT c.* FROM clipus.campaigns AS c
    SEMI JOIN clipus._dlt_loads AS l ON l.load_id = c._dlt_load_id AND l.status = 0
  ),
  open_videos AS (
    SELECT campaign_id, count(*) AS videos
    FROM clipus.videos
    WHERE
      plausible(published_at, observed_at) IS NULL
      AND COALESCE(lower(status) NOT IN (SELECT unnest($failed)), true)
    GROUP BY campaign_id
  ),
  gone AS (
    SELECT campaign_id AS id, max(observed_at) AS observed_at
    FROM clipus.campaign_observations
    WHERE status = 'not_found'
    GROUP BY campaign_id
  ),
  hints AS (
    SELECT unnest($hinted::VARCHAR[]) AS id, unnest($hinted_at::TIMESTAMPTZ[]) AS event_at
  ),
  state AS (
    SELECT
      k.id,
      k.known_at,
      h.event_at,
      NULL::TIMESTAMPTZ AS created_event_at,
      c.campaign_id IS NOT NULL AS loaded,
      lower(c.status) IN (SELECT unnest($finished)) AS finished,
      lower(c.status) IN (SELECT unnest($failed)) AS failed,
      c.observed_at,
      NULL::TIMESTAMPTZ AS children_read_at,
      COALESCE(v.videos, 0) = 0 AS videos_settled,
      false AS due_when_finished,
      INTERVAL 24 HOURS AS wait_when_finished,
      false AS reads_children,
      COALESCE(g.observed_at >= c.observed_at, false) AS gone,
      g.observed_at AS gone_at,
      x.seen_at AS refused_at,
      COALESCE(x.not_found, false) AS not_found,
      $now - COALESCE(plausible(c.created_at, c.observed_at), k.known_at) AS age
    FROM known AS k
    LEFT JOIN hints AS h USING (id)
    LEFT JOIN campaigns AS c ON c.campaign_id = k.id
    LEFT JOIN open_videos AS v ON v.campaign_id = k.id
    LEFT JOIN gone AS g USING (id)
    LEFT JOIN refused AS x USING (id)
  )
SELECT *, videos_settled OR NOT COALESCE(age < INTERVAL 14 DAYS, false) AS settled
FROM state
