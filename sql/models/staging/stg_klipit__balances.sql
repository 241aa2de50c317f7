/* One row per known credit balance. */
MODEL (
  name staging.stg_klipit__balances,
  kind VIEW,
  grain observed_at,
  audits (
    is_key(columns := (observed_at))
  )
);

SELECT
  origin::TEXT AS origin, /* api: the account said so; hand: entered by a person */
  balance::DOUBLE AS balance, /* Credits left */
  (
    balance - LAG(balance) OVER (ORDER BY observed_at)
  )::DOUBLE AS change, /* Credits since the balance before; a fall is negative; NULL for the first */
  observed_at::TIMESTAMPTZ AS observed_at /* When the balance stood so (UTC instant) */
FROM klipit.account_snapshots
WHERE
  /* No balance is a thousand million millions, infinite or not a number; no balance is older than the service. */
  ABS(balance) < 1e15
  AND observed_at BETWEEN '2020-01-01 00:00:00+00'::TIMESTAMPTZ AND COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP) + INTERVAL '1 day'
