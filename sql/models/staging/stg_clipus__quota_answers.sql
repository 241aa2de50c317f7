/* One row per refused submission whose answer named the monthly quota. */
MODEL (
  name staging.stg_clipus__quota_answers,
  kind VIEW,
  grain submission_id,
  audits (
    is_key(columns := (submission_id))
  )
);

/* The answer reads like: Monthly limit reached (10/10). Used before the slash, allowed after it. */
WITH answers AS (
  SELECT
    submission_id,
    TRY_CAST(
      NULLIF(REGEXP_EXTRACT(error, '(?i)monthly[^(]*\(\s*\d+\s*/\s*(\d+)\s*\)', 1), '') AS BIGINT
    ) AS quota,
    recorded_at
  FROM clipus.submissions
)
SELECT
  submission_id::TEXT      AS submission_id, /* Key of the submission */
  quota::BIGINT            AS quota,         /* Videos allowed in that month */
  recorded_at::TIMESTAMPTZ AS seen_at        /* When the answer was recorded (UTC instant) */
FROM answers
WHERE quota IS NOT NULL AND recorded_at IS NOT NULL
