-- grain: campaign_id, id
CREATE TABLE clipus.videos (
  campaign_id TEXT,
  id TEXT,
  platform TEXT,
  status TEXT,
  file_url TEXT,
  duration_seconds DOUBLE,
  published_at TIMESTAMPTZ,
  observed_at TIMESTAMPTZ
);

COMMENT ON TABLE clipus.videos IS 'One row per video of a campaign, as last answered.';
COMMENT ON COLUMN clipus.videos.campaign_id IS 'Campaign of the video; with id the key.';
COMMENT ON COLUMN clipus.videos.id IS 'Clipus video id; only unique within its campaign.';
COMMENT ON COLUMN clipus.videos.platform IS 'Where it is meant to be shown, e.g. youtube; an open list.';
COMMENT ON COLUMN clipus.videos.status IS 'ready and further words; an open list.';
COMMENT ON COLUMN clipus.videos.file_url IS 'Download link; NULL until the video is ready. It may expire.';
COMMENT ON COLUMN clipus.videos.duration_seconds IS 'Length in seconds; NULL until the API has it.';
COMMENT ON COLUMN clipus.videos.published_at IS 'When it was published (UTC instant); NULL before.';
COMMENT ON COLUMN clipus.videos.observed_at IS 'When the API gave this answer (its Date, UTC instant).';
