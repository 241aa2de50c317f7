-- grain: submission_id
-- reads: clipus.submissions
CREATE VIEW staging.stg_clipus__quota_answers AS
WITH answers AS (
  SELECT
    submissions.submission_id AS submission_id,
    TRY_CAST(NULLIF(
      REGEXP_EXTRACT(submissions.error, '(?i)monthly[^(]*\(\s*\d+\s*/\s*(\d+)\s*\)', 1),
      ''
    ) AS BIGINT) AS quota,
    submissions.recorded_at AS recorded_at
  FROM clipus.submissions AS submissions
)
SELECT
  CAST(answers.submission_id AS TEXT) AS submission_id,
  CAST(answers.quota AS BIGINT) AS quota,
  CAST(answers.recorded_at AS TIMESTAMPTZ) AS seen_at
FROM answers AS answers
WHERE
  NOT answers.quota IS NULL AND NOT answers.recorded_at IS NULL;

COMMENT ON VIEW staging.stg_clipus__quota_answers IS 'One row per refused submission whose answer named the monthly quota.';
COMMENT ON COLUMN staging.stg_clipus__quota_answers.submission_id IS 'Key of the submission';
COMMENT ON COLUMN staging.stg_clipus__quota_answers.quota IS 'Videos allowed in that month';
COMMENT ON COLUMN staging.stg_clipus__quota_answers.seen_at IS 'When the answer was recorded (UTC instant)';

-- audit: is_key
SELECT
  submission_id AS submission_id
FROM staging.stg_clipus__quota_answers AS stg_clipus__quota_answers
GROUP BY
  submission_id
HAVING
  COUNT(*) > 1 OR submission_id IS NULL;
