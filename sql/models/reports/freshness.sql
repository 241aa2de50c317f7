/* How old each landing table's latest row is, at the time of reading. One row per landing table. */
MODEL (
  name reports.freshness,
  kind VIEW,
  grain table_name,
  audits (
    is_key(columns := (table_name))
  )
);

JINJA_QUERY_BEGIN;

/* If nothing is observed: when it was recorded, received, requested, finished or seen. */
{% set instants = {
  'klipit.jobs':                  'observed_at',
  'klipit.clips':                 'observed_at',
  'klipit.clip_reads':            'observed_at',
  'klipit.job_observations':      'observed_at',
  'klipit.submissions':           'recorded_at',
  'klipit.webhook_events':        'received_at',
  'klipit.account_snapshots':     'observed_at',
  'klipit.exports':               'requested_at',
  'clipus.campaigns':             'observed_at',
  'clipus.videos':                'observed_at',
  'clipus.campaign_observations': 'observed_at',
  'clipus.video_observations':    'observed_at',
  'clipus.submissions':           'recorded_at',
  'clipus.plan_observations':     'observed_at',
  'clipmart.sync_runs':           'finished_at',
  'clipmart.rejected_records':    'seen_at',
} %}
WITH tables AS (
  {% for table, instant in instants.items() %}
  SELECT '{{ table }}' AS table_name, COUNT(*) AS row_count, MAX({{ instant }}) AS last_observed_at
  FROM {{ table }}
  {{ 'UNION ALL' if not loop.last }}
  {% endfor %}
)
SELECT
  table_name::TEXT AS table_name, /* Landing table */
  row_count::BIGINT AS row_count, /* Its rows; 0 if nothing has landed yet */
  last_observed_at::TIMESTAMPTZ AS last_observed_at, /* Its latest observed_at, or recorded_at,
  received_at, requested_at, finished_at or seen_at (UTC instant); NULL without rows */
  (
    (EPOCH(COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP)) - EPOCH(last_observed_at))
    / 3600
  )::DOUBLE AS hours_old /* Hours since then; NULL without rows */
FROM tables
ORDER BY table_name;

JINJA_END;
