-- grain: day
-- reads: reports.credit_usage
CREATE VIEW staging.credit_forecast AS
SELECT
  CAST(credit_usage.day AS DATE) AS day,
  CAST(credit_usage.balance_close AS DOUBLE) AS balance_close,
  CAST(credit_usage.burn_7d AS DOUBLE) AS burn_7d,
  CAST(credit_usage.days_left AS DOUBLE) AS days_left,
  CAST(CASE
    WHEN credit_usage.days_left < 3650 AND credit_usage.days_left >= 0
    THEN credit_usage.day + CAST(FLOOR(credit_usage.days_left) AS INT)
  END AS DATE) AS used_up_on
FROM reports.credit_usage AS credit_usage
WHERE
  credit_usage.day <= CAST(COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP) AT TIME ZONE 'UTC' AS DATE)
  AND NOT credit_usage.balance_close IS NULL
ORDER BY
  day DESC
LIMIT 1;

COMMENT ON VIEW staging.credit_forecast IS 'When the credits are used up at the present pace. One row; none if no balance is known.';
COMMENT ON COLUMN staging.credit_forecast.day IS 'The last UTC day with a known balance, today at the latest';
COMMENT ON COLUMN staging.credit_forecast.balance_close IS 'Credits left';
COMMENT ON COLUMN staging.credit_forecast.burn_7d IS 'Credits used a day, as in credit_usage; NULL if fewer than 3 finished days are known';
COMMENT ON COLUMN staging.credit_forecast.days_left IS 'Days that the balance lasts at that pace; NULL if the pace is unknown or nothing was used';
COMMENT ON COLUMN staging.credit_forecast.used_up_on IS 'The UTC day on which it is used up: day and the whole days of days_left; NULL if that is unknown, past or 10 years ahead';

-- audit: is_key
SELECT
  day AS day
FROM staging.credit_forecast AS credit_forecast
GROUP BY
  day
HAVING
  COUNT(*) > 1 OR day IS NULL;
