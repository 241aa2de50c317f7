-- The ids of one service that are worth a request now; $state is the service's own query.
-- The rules are those of docs/syncing.md.
WITH
  state AS ($state),
  judged AS (
    SELECT
      *,
      greatest(
        dated(observed_at, $now), dated(refused_at, $now), dated(gone_at, $now)
      ) AS requested_at,
      -- How long after the last answer an unfinished id is worth another request, by its age.
      CASE
        WHEN age < INTERVAL 10 MINUTES THEN INTERVAL 15 SECONDS
        WHEN age < INTERVAL 1 HOUR THEN INTERVAL 2 MINUTES
        WHEN age < INTERVAL 1 DAY THEN INTERVAL 30 MINUTES
        WHEN age < INTERVAL 14 DAYS THEN INTERVAL 12 HOURS
      END AS wait,
      COALESCE(event_at > requested_at, false) AS has_event
    FROM state
  )
SELECT
  id,
  children_read_at,
  -- A record observed in the future is polled, which corrects its date.
  COALESCE(
    reads_children AND finished AND NOT has_event AND observed_at <= $now + INTERVAL 5 MINUTES,
    false
  ) AS only_children
FROM judged
WHERE
  CASE
    WHEN NOT loaded AND not_found THEN false
    WHEN requested_at IS NULL AND created_event_at IS NOT NULL
      THEN dated(created_event_at, $now) <= $now - INTERVAL 15 MINUTES
    WHEN requested_at IS NULL THEN true
    WHEN has_event THEN true
    WHEN gone OR failed THEN false
    WHEN finished AND settled THEN false
    WHEN finished AND due_when_finished THEN true
    WHEN finished THEN requested_at <= $now - COALESCE(wait_when_finished, wait)
    ELSE requested_at <= $now - wait
  END
ORDER BY has_event DESC, known_at DESC, id
