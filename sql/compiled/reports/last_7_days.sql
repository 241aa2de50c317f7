-- grain: metric
-- reads: reports.failures, reports.job_turnaround, reports.shareability, reports.video_readiness, staging.stg_clipus__videos, staging.stg_klipit__balances, staging.stg_klipit__clips
CREATE VIEW reports.last_7_days AS
WITH clock AS (
  SELECT
    at_reading.now_at - INTERVAL '7' DAYS AS week_begins,
    at_reading.now_at - INTERVAL '14' DAYS AS before_begins
  FROM (
    SELECT
      COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP) AS now_at
  ) AS at_reading
), metrics AS (
  SELECT
    listed.metric AS metric,
    listed.place AS place
  FROM (VALUES
    ('new_clips', 1),
    ('episodes', 2),
    ('clips_80_plus', 3),
    ('mean_score', 4),
    ('videos_ready', 5),
    ('published', 6),
    ('credits_used', 7),
    ('failures', 8),
    ('stuck', 9)) AS listed(metric, place)
), events AS (
  SELECT
    'new_clips' AS metric,
    shareability.created_at AS happened_at,
    shareability.clips AS amount
  FROM reports.shareability AS shareability
  UNION ALL
  SELECT
    'episodes' AS episodes,
    shareability.created_at AS created_at,
    1 AS "1"
  FROM reports.shareability AS shareability
  UNION ALL
  SELECT
    'clips_80_plus' AS clips_80_plus,
    shareability.created_at AS created_at,
    shareability.clips_80_plus AS clips_80_plus
  FROM reports.shareability AS shareability
  UNION ALL
  SELECT
    'videos_ready' AS videos_ready,
    video_readiness.created_at AS created_at,
    video_readiness.ready AS ready
  FROM reports.video_readiness AS video_readiness
  UNION ALL
  SELECT
    'published' AS published,
    stg_clipus__videos.published_at AS published_at,
    1 AS "1"
  FROM staging.stg_clipus__videos AS stg_clipus__videos
  UNION ALL
  SELECT
    'credits_used' AS credits_used,
    stg_klipit__balances.observed_at AS observed_at,
    GREATEST(-stg_klipit__balances.credits_change, 0) AS _col_2
  FROM staging.stg_klipit__balances AS stg_klipit__balances
  UNION ALL
  SELECT
    'failures' AS failures,
    failures.created_at AS created_at,
    1 AS "1"
  FROM reports.failures AS failures
  UNION ALL
  SELECT
    'stuck' AS stuck,
    job_turnaround.created_at AS created_at,
    1 AS "1"
  FROM reports.job_turnaround AS job_turnaround
  WHERE
    job_turnaround.stuck
  UNION ALL
  SELECT
    'stuck' AS stuck,
    video_readiness.created_at AS created_at,
    1 AS "1"
  FROM reports.video_readiness AS video_readiness
  WHERE
    video_readiness.stuck
), summed AS (
  SELECT
    events.metric AS metric,
    SUM(events.amount) FILTER(WHERE
      clock.week_begins < events.happened_at) AS week,
    SUM(events.amount) FILTER(WHERE
      clock.week_begins >= events.happened_at) AS before
  FROM events AS events
  INNER JOIN clock AS clock
    ON clock.before_begins < events.happened_at
  GROUP BY
    events.metric
), scores AS (
  SELECT
    AVG(clips.score) FILTER(WHERE
      clock.week_begins < jobs.created_at) AS week,
    AVG(clips.score) FILTER(WHERE
      clock.week_begins >= jobs.created_at) AS before
  FROM reports.shareability AS jobs
  INNER JOIN clock AS clock
    ON clock.before_begins < jobs.created_at
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
), balances AS (
  SELECT
    ANY_VALUE(clock.week_begins) >= MIN(balances.observed_at) AS week_known,
    ANY_VALUE(clock.before_begins) >= MIN(balances.observed_at) AS before_known
  FROM staging.stg_klipit__balances AS balances
  CROSS JOIN clock AS clock
), compared AS (
  SELECT
    metrics.metric AS metric,
    metrics.place AS place,
    CASE
      WHEN metrics.metric = 'mean_score'
      THEN scores.week
      WHEN balances.week_known OR metrics.metric <> 'credits_used'
      THEN COALESCE(summed.week, 0)
    END AS value,
    CASE
      WHEN metrics.metric = 'mean_score'
      THEN scores.before
      WHEN balances.before_known OR metrics.metric <> 'credits_used'
      THEN COALESCE(summed.before, 0)
    END AS before
  FROM metrics AS metrics
  LEFT JOIN summed AS summed
    ON metrics.metric = summed.metric
  CROSS JOIN scores AS scores
  CROSS JOIN balances AS balances
)
SELECT
  CAST(compared.metric AS TEXT) AS metric,
  CAST(compared.value AS DOUBLE) AS value,
  CAST(compared.before AS DOUBLE) AS before,
  CAST((
    compared.value - compared.before
  ) AS DOUBLE) AS change
FROM compared AS compared
ORDER BY
  compared.place;

COMMENT ON VIEW reports.last_7_days IS 'What changed, at the time of reading: the last 7 days, to the second, and the 7 days before. One row per metric.';
COMMENT ON COLUMN reports.last_7_days.metric IS 'new_clips, episodes (complete jobs), clips_80_plus and mean_score (points): of the jobs created in these days; videos_ready: of the campaigns created in them; published: videos by published_at; credits_used; failures and stuck: jobs, campaigns and videos by when the job or campaign was created';
COMMENT ON COLUMN reports.last_7_days.value IS 'In the last 7 days; NULL for a mean without scores, and for credits if no balance was known when they began';
COMMENT ON COLUMN reports.last_7_days.before IS 'In the 7 days before those; NULL likewise';
COMMENT ON COLUMN reports.last_7_days.change IS 'value - before; NULL if either is';

-- audit: is_key
SELECT
  metric AS metric
FROM reports.last_7_days AS last_7_days
GROUP BY
  metric
HAVING
  COUNT(*) > 1 OR metric IS NULL;
