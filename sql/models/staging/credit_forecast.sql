/* When the credits are used up at the present pace. One row; none if no balance is known. */
MODEL (
  name staging.credit_forecast,
  kind VIEW,
  grain day,
  audits (
    is_key(columns := (day))
  )
);

SELECT
  day::DATE             AS day,           /* The last UTC day with a known balance, today at the latest */
  balance_close::DOUBLE AS balance_close, /* Credits left */
  burn_7d::DOUBLE       AS burn_7d,       /* Credits used a day, as in credit_usage; NULL if fewer than 3
                                             finished days are known */
  days_left::DOUBLE     AS days_left,     /* Days that the balance lasts at that pace; NULL if the pace is
                                             unknown or nothing was used */
  CASE WHEN days_left >= 0 AND days_left < 3650 THEN day + FLOOR(days_left)::INT END::DATE
                        AS used_up_on     /* The UTC day on which it is used up: day and the whole days of
                                             days_left; NULL if that is unknown, past or 10 years ahead */
FROM reports.credit_usage
WHERE
  balance_close IS NOT NULL
  AND day <= (COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP) AT TIME ZONE 'UTC')::DATE
ORDER BY day DESC
LIMIT 1
