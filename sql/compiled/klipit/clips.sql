-- grain: id
CREATE TABLE klipit.clips (
  id TEXT,
  job_id TEXT,
  moment_type TEXT,
  shareability_score DOUBLE,
  reason TEXT,
  hook_suggestion TEXT,
  start_seconds DOUBLE,
  end_seconds DOUBLE,
  duration_seconds DOUBLE,
  media_url TEXT,
  observed_at TIMESTAMPTZ
);

COMMENT ON TABLE klipit.clips IS 'One row per clip of a complete job, as last read.';
COMMENT ON COLUMN klipit.clips.id IS 'Klipit clip id; the key.';
COMMENT ON COLUMN klipit.clips.job_id IS 'Job that the clip was cut from; the API''s answer omits it.';
COMMENT ON COLUMN klipit.clips.moment_type IS 'Kind of moment, e.g. bold_prediction; an open list.';
COMMENT ON COLUMN klipit.clips.shareability_score IS 'Points, higher is better; NULL if unscored.';
COMMENT ON COLUMN klipit.clips.reason IS 'Why it may be shared, in the API''s words; NULL if it gives none.';
COMMENT ON COLUMN klipit.clips.hook_suggestion IS 'A first line for the post; NULL if the API gives none.';
COMMENT ON COLUMN klipit.clips.start_seconds IS 'Where the clip starts in the episode, in seconds.';
COMMENT ON COLUMN klipit.clips.end_seconds IS 'Where it ends in the episode, in seconds.';
COMMENT ON COLUMN klipit.clips.duration_seconds IS 'Its length in seconds; fractions occur.';
COMMENT ON COLUMN klipit.clips.media_url IS 'Download link; NULL until there is one. It may expire.';
COMMENT ON COLUMN klipit.clips.observed_at IS 'When the API gave this answer (its Date, UTC instant).';
