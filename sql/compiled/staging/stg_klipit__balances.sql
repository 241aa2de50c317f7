-- grain: observed_at
-- reads: klipit.account_snapshots
CREATE VIEW staging.stg_klipit__balances AS
WITH plausible AS (
  SELECT
    account_snapshots.origin AS origin,
    account_snapshots.balance AS balance,
    account_snapshots.observed_at AS observed_at
  FROM klipit.account_snapshots AS account_snapshots
  WHERE
    account_snapshots.observed_at <= COALESCE(CAST(GETVARIABLE('clipmart_now') AS TIMESTAMPTZ), CURRENT_TIMESTAMP) + INTERVAL '1' DAY
    AND account_snapshots.observed_at >= CAST('2020-01-01 00:00:00+00' AS TIMESTAMPTZ)
    AND ABS(account_snapshots.balance) < 1e15
), api AS (
  SELECT
    MAX(plausible.observed_at) AS last_at
  FROM plausible AS plausible
  WHERE
    plausible.origin = 'api'
)
SELECT
  CAST(plausible.origin AS TEXT) AS origin,
  CAST(plausible.balance AS DOUBLE) AS balance,
  CAST((
    plausible.balance - LAG(plausible.balance) OVER (ORDER BY plausible.observed_at)
  ) AS DOUBLE) AS credits_change,
  CAST(plausible.observed_at AS TIMESTAMPTZ) AS observed_at
FROM plausible AS plausible
CROSS JOIN api AS api
WHERE
  api.last_at IS NULL
  OR plausible.observed_at >= api.last_at + INTERVAL '7' DAYS
  OR plausible.origin <> 'hand';

COMMENT ON VIEW staging.stg_klipit__balances IS 'One row per known credit balance: what the API reported and, only from 7 days after its last report on, what was noted by hand.';
COMMENT ON COLUMN staging.stg_klipit__balances.origin IS 'api: the account said so; hand: entered by a person';
COMMENT ON COLUMN staging.stg_klipit__balances.balance IS 'Credits left';
COMMENT ON COLUMN staging.stg_klipit__balances.credits_change IS 'Credits since the balance before; a fall is negative; NULL for the first';
COMMENT ON COLUMN staging.stg_klipit__balances.observed_at IS 'When the balance was so (UTC instant)';

-- audit: is_key
SELECT
  observed_at AS observed_at
FROM staging.stg_klipit__balances AS stg_klipit__balances
GROUP BY
  observed_at
HAVING
  COUNT(*) > 1 OR observed_at IS NULL;
