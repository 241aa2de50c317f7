-- grain: campaign_id
CREATE TABLE clipus.campaigns (
  campaign_id TEXT,
  status TEXT,
  url TEXT,
  title TEXT,
  languages JSON,
  created_at TIMESTAMPTZ,
  observed_at TIMESTAMPTZ
);

COMMENT ON TABLE clipus.campaigns IS 'One row per Clipus campaign that the API has answered for, as last answered.';
COMMENT ON COLUMN clipus.campaigns.campaign_id IS 'Clipus campaign id; the key.';
COMMENT ON COLUMN clipus.campaigns.status IS 'collecting, rendering and further words; an open list.';
COMMENT ON COLUMN clipus.campaigns.url IS 'Product page that the videos show.';
COMMENT ON COLUMN clipus.campaigns.title IS 'Label of the campaign; NULL if it has none.';
COMMENT ON COLUMN clipus.campaigns.languages IS 'Languages of the videos, a JSON array of text.';
COMMENT ON COLUMN clipus.campaigns.created_at IS 'When the campaign was created (UTC instant).';
COMMENT ON COLUMN clipus.campaigns.observed_at IS 'When the API gave this answer (its Date, UTC instant).';
