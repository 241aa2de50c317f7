-- grain: observation_id
CREATE TABLE clipus.video_observations (
  observation_id TEXT,
  campaign_id TEXT,
  video_id TEXT,
  status TEXT,
  observed_at TIMESTAMPTZ
);

COMMENT ON TABLE clipus.video_observations IS 'One row per change of a video''s status, as seen by polling.';
COMMENT ON COLUMN clipus.video_observations.observation_id IS 'Key of the observation.';
COMMENT ON COLUMN clipus.video_observations.campaign_id IS 'Clipus campaign id.';
COMMENT ON COLUMN clipus.video_observations.video_id IS 'Clipus video id; only unique within its campaign.';
COMMENT ON COLUMN clipus.video_observations.status IS 'The status then.';
COMMENT ON COLUMN clipus.video_observations.observed_at IS 'When it was first seen (the answer''s Date, UTC instant).';
