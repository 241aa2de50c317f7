/* What changed, at the time of reading: the last 7 days, to the second, and the 7 days before. One row per
   metric. */
MODEL (
  name reports.last_7_days,
  kind VIEW,
  grain metric,
  audits (
    is_key(columns := (metric))
  )
);

WITH clock AS (
  SELECT
    now_at - INTERVAL '7 days' AS week_begins,
    now_at - INTERVAL '14 days' AS before_begins
  FROM (
    SELECT COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP) AS now_at
  ) AS at_reading
), metrics AS (
  SELECT
    metric,
    place
  FROM (
    VALUES
      ('new_clips', 1),
      ('episodes', 2),
      ('clips_80_plus', 3),
      ('mean_score', 4),
      ('videos_ready', 5),
      ('published', 6),
      ('credits_used', 7),
      ('failures', 8),
      ('stuck', 9)
  ) AS listed(metric, place)
), events AS (
  SELECT 'new_clips' AS metric, created_at AS happened_at, clips AS amount FROM reports.shareability
  UNION ALL
  SELECT 'episodes', created_at, 1 FROM reports.shareability
  UNION ALL
  SELECT 'clips_80_plus', created_at, clips_80_plus FROM reports.shareability
  UNION ALL
  SELECT 'videos_ready', created_at, ready FROM reports.video_readiness
  UNION ALL
  SELECT 'published', published_at, 1 FROM staging.stg_clipus__videos
  UNION ALL
  SELECT 'credits_used', observed_at, GREATEST(-credits_change, 0) FROM staging.stg_klipit__balances
  UNION ALL
  SELECT 'failures', created_at, 1 FROM reports.failures
  UNION ALL
  SELECT 'stuck', created_at, 1 FROM reports.job_turnaround WHERE stuck
  UNION ALL
  SELECT 'stuck', created_at, 1 FROM reports.video_readiness WHERE stuck
), summed AS (
  SELECT
    events.metric,
    SUM(events.amount) FILTER (WHERE events.happened_at > clock.week_begins) AS week,
    SUM(events.amount) FILTER (WHERE events.happened_at <= clock.week_begins) AS before
  FROM events
  INNER JOIN clock
    ON clock.before_begins < events.happened_at
  GROUP BY events.metric
), scores AS (
  SELECT
    AVG(clips.score) FILTER (WHERE jobs.created_at > clock.week_begins) AS week,
    AVG(clips.score) FILTER (WHERE jobs.created_at <= clock.week_begins) AS before
  FROM reports.shareability AS jobs
  INNER JOIN clock
    ON clock.before_begins < jobs.created_at
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
), balances AS (
  SELECT
    MIN(balances.observed_at) <= ANY_VALUE(clock.week_begins) AS week_known,
    MIN(balances.observed_at) <= ANY_VALUE(clock.before_begins) AS before_known
  FROM staging.stg_klipit__balances AS balances
  CROSS JOIN clock
), compared AS (
  SELECT
    metrics.metric,
    metrics.place,
    CASE
      WHEN metrics.metric = 'mean_score'
      THEN scores.week
      WHEN metrics.metric <> 'credits_used' OR balances.week_known
      THEN COALESCE(summed.week, 0)
    END AS value,
    CASE
      WHEN metrics.metric = 'mean_score'
      THEN scores.before
      WHEN metrics.metric <> 'credits_used' OR balances.before_known
      THEN COALESCE(summed.before, 0)
    END AS before
  FROM metrics
  LEFT JOIN summed
    ON summed.metric = metrics.metric
  CROSS JOIN scores
  CROSS JOIN balances
)
SELECT
  metric::TEXT             AS metric, /* new_clips, episodes (complete jobs), clips_80_plus and mean_score
                                         (points): of the jobs created in these days; videos_ready: of the
                                         campaigns created in them; published: videos by published_at;
                                         credits_used; failures and stuck: jobs, campaigns and videos by when
                                         the job or campaign was created */
  value::DOUBLE            AS value,  /* In the last 7 days; NULL for a mean without scores, and for credits
                                         if no balance was known when they began */
  before::DOUBLE           AS before, /* In the 7 days before those; NULL likewise */
  (value - before)::DOUBLE AS change  /* value - before; NULL if either is */
FROM compared
ORDER BY place
