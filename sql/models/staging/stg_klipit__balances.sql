/* One row per known credit balance: what the API reported and, only from 7 days after its last report on,
   what was noted by hand. */
MODEL (
  name staging.stg_klipit__balances,
  kind VIEW,
  grain observed_at,
  audits (
    is_key(columns := (observed_at))
  )
);

/* No balance is infinite, not a number or a thousand million millions; none is from before 2020 or from
   tomorrow on. */
WITH plausible AS (
  SELECT
    origin,
    balance,
    observed_at
  FROM klipit.account_snapshots
  WHERE
    ABS(balance) < 1e15
    AND observed_at BETWEEN '2020-01-01 00:00:00+00'::TIMESTAMPTZ
    AND COALESCE(GETVARIABLE('clipmart_now')::TIMESTAMPTZ, CURRENT_TIMESTAMP) + INTERVAL '1 day'
), api AS (
  SELECT
    MAX(observed_at) AS last_at
  FROM plausible
  WHERE origin = 'api'
)
SELECT
  origin::TEXT             AS origin,         /* api: the account said so; hand: entered by a person */
  balance::DOUBLE          AS balance,        /* Credits left */
  (balance - LAG(balance) OVER (ORDER BY observed_at))::DOUBLE
                           AS credits_change, /* Credits since the balance before; a fall is negative; NULL
                                                 for the first */
  observed_at::TIMESTAMPTZ AS observed_at     /* When the balance was so (UTC instant) */
FROM plausible
CROSS JOIN api
WHERE origin <> 'hand' OR last_at IS NULL OR observed_at >= last_at + INTERVAL '7 days'
