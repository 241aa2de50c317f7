-- grain: observed_at
CREATE TABLE klipit.account_snapshots (
  observed_at TIMESTAMPTZ,
  balance DOUBLE,
  origin TEXT
);

COMMENT ON TABLE klipit.account_snapshots IS 'The credit balance at an instant; kept when it differs or is the UTC day''s first.';
COMMENT ON COLUMN klipit.account_snapshots.observed_at IS 'When the balance stood so (UTC instant); the key.';
COMMENT ON COLUMN klipit.account_snapshots.balance IS 'Credits left.';
COMMENT ON COLUMN klipit.account_snapshots.origin IS 'api: the account said so; hand: entered with `clipmart credits`, which reports leave out while the API reports.';
