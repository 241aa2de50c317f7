-- grain: observation_id
CREATE TABLE clipus.campaign_observations (
  observation_id TEXT,
  campaign_id TEXT,
  status TEXT,
  observed_at TIMESTAMPTZ
);

COMMENT ON TABLE clipus.campaign_observations IS 'One row per change of a campaign''s status, as seen by polling.';
COMMENT ON COLUMN clipus.campaign_observations.observation_id IS 'Key of the observation.';
COMMENT ON COLUMN clipus.campaign_observations.campaign_id IS 'Clipus campaign id.';
COMMENT ON COLUMN clipus.campaign_observations.status IS 'The status then; not_found if a loaded campaign is answered by 404.';
COMMENT ON COLUMN clipus.campaign_observations.observed_at IS 'When it was first seen (the answer''s Date, UTC instant).';
