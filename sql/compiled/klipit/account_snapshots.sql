-- grain: observed_at
CREATE TABLE klipit.account_snapshots (
  observed_at TIMESTAMPTZ,
  balance DOUBLE,
  origin TEXT
);

COMMENT ON TABLE klipit.account_snapshots IS 'The credit balance at an instant; saved if it differs or is the UTC day''s first.';
COMMENT ON COLUMN klipit.account_snapshots.observed_at IS 'When this was the balance (UTC instant); the key.';
COMMENT ON COLUMN klipit.account_snapshots.balance IS 'Credits left.';
COMMENT ON COLUMN klipit.account_snapshots.origin IS 'api: the account reported it; hand: a person entered it.';
