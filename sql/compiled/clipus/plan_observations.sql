-- grain: observed_at
CREATE TABLE clipus.plan_observations (
  observed_at TIMESTAMPTZ,
  plan TEXT,
  requests_per_minute BIGINT,
  scopes TEXT
);

COMMENT ON TABLE clipus.plan_observations IS 'The plan in the response headers; saved if it differs or is the UTC day''s first.';
COMMENT ON COLUMN clipus.plan_observations.observed_at IS 'When the answer was given (UTC instant); the key.';
COMMENT ON COLUMN clipus.plan_observations.plan IS 'Name of the plan (X-RateLimit-Plan).';
COMMENT ON COLUMN clipus.plan_observations.requests_per_minute IS 'Requests a minute on that plan (X-RateLimit-Limit).';
COMMENT ON COLUMN clipus.plan_observations.scopes IS 'Scopes of the key, as sent (X-Clipus-Api-Scopes).';
