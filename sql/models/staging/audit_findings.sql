/* Values of the vendors' that look odd. They stop nothing: one row per check, 0 rows is well. */
MODEL (
  name staging.audit_findings,
  kind FULL,
  grain finding,
  audits (
    is_key(columns := (finding))
  )
);

JINJA_QUERY_BEGIN;

{% macro dated_oddly(instant) -%}
  NOT {{ instant }} BETWEEN '2000-01-01 00:00:00+00'::TIMESTAMPTZ AND observed_at + INTERVAL '1 day'
{%- endmacro %}

/* What is odd, the landing table that it is in, what is checked, and when it is odd. */
{% set checks = [
  (
    'score outside 0 to 100',
    'klipit.clips', 'staging.stg_klipit__clips',
    'NOT score BETWEEN 0 AND 100'
  ),
  (
    'clip without a moment type',
    'klipit.clips', 'staging.stg_klipit__clips',
    'moment_type IS NULL'
  ),
  (
    'clip that does not end after it starts',
    'klipit.clips', 'staging.stg_klipit__clips',
    'end_seconds <= start_seconds'
  ),
  (
    'clip length that is not end less start',
    'klipit.clips', 'staging.stg_klipit__clips',
    'ABS(end_seconds - start_seconds - duration_seconds) > 1'
  ),
  (
    'job without created_at',
    'klipit.jobs', 'klipit.jobs',
    'created_at IS NULL'
  ),
  (
    'job completed before it was created',
    'klipit.jobs', 'staging.stg_klipit__jobs',
    'completed_at < created_at'
  ),
  (
    'job dated before 2000 or over a day ahead',
    'klipit.jobs', 'klipit.jobs',
    dated_oddly('created_at') ~ ' OR ' ~ dated_oddly('completed_at')
  ),
  (
    'complete job without completed_at',
    'klipit.jobs', 'staging.stg_klipit__jobs',
    "outcome = 'finished' AND completed_at IS NULL"
  ),
  (
    'episode length below 0',
    'klipit.jobs', 'staging.stg_klipit__jobs',
    'source_seconds < 0'
  ),
  (
    'balance below 0',
    'klipit.account_snapshots', 'staging.stg_klipit__balances',
    'balance < 0'
  ),
  (
    'balance out of range',
    'klipit.account_snapshots', 'klipit.account_snapshots',
    "NOT ABS(balance) < 1e15 OR NOT observed_at BETWEEN '2020-01-01 00:00:00+00'::TIMESTAMPTZ
      AND COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP) + INTERVAL '1 day'"
  ),
  (
    'campaign dated before 2000 or over a day ahead',
    'clipus.campaigns', 'clipus.campaigns',
    dated_oddly('created_at')
  ),
  (
    'video dated before 2000 or over a day ahead',
    'clipus.videos', 'clipus.videos',
    dated_oddly('published_at')
  ),
  (
    'campaign without created_at',
    'clipus.campaigns', 'clipus.campaigns',
    'created_at IS NULL'
  ),
  (
    'ready video without a link',
    'clipus.videos', 'staging.stg_clipus__videos',
    "outcome = 'finished' AND file_url IS NULL"
  ),
  (
    'video length not above 0',
    'clipus.videos', 'staging.stg_clipus__videos',
    'duration_seconds <= 0'
  ),
] %}
WITH findings AS (
  {% for finding, table, relation, condition in checks %}
  SELECT
    '{{ finding }}' AS finding,
    '{{ table }}' AS table_name,
    COUNT(*) FILTER (WHERE {{ condition }}) AS rows
  FROM {{ relation }}
  {{ 'UNION ALL' if not loop.last }}
  {% endfor %}
)
SELECT
  finding::TEXT AS finding,       /* What is odd */
  table_name::TEXT AS table_name, /* Landing table it was found in */
  rows::BIGINT AS rows            /* Rows of which it is true */
FROM findings
ORDER BY finding;

JINJA_END;
