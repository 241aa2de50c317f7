-- grain: id
CREATE TABLE klipit.jobs (
  id TEXT,
  status TEXT,
  clip_count BIGINT,
  duration_seconds DOUBLE,
  created_at TIMESTAMPTZ,
  completed_at TIMESTAMPTZ,
  error TEXT,
  observed_at TIMESTAMPTZ
);

COMMENT ON TABLE klipit.jobs IS 'One row per Klipit job that the API has answered for, as last answered.';
COMMENT ON COLUMN klipit.jobs.id IS 'Klipit job id; the key.';
COMMENT ON COLUMN klipit.jobs.status IS 'queued, transcribing, clipping, complete or failed; an open list.';
COMMENT ON COLUMN klipit.jobs.clip_count IS 'Clips by the API''s count; NULL until it has one. Count clips.';
COMMENT ON COLUMN klipit.jobs.duration_seconds IS 'Length of the episode in seconds; NULL until known.';
COMMENT ON COLUMN klipit.jobs.created_at IS 'When the job was created (UTC instant).';
COMMENT ON COLUMN klipit.jobs.completed_at IS 'When it was complete (UTC instant); NULL while it runs.';
COMMENT ON COLUMN klipit.jobs.error IS 'Why it failed, in the API''s words; NULL otherwise.';
COMMENT ON COLUMN klipit.jobs.observed_at IS 'When the API gave this answer (its Date, UTC instant).';
