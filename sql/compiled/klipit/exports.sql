-- grain: export_id
CREATE TABLE klipit.exports (
  export_id TEXT,
  job_id TEXT,
  platform TEXT,
  format TEXT,
  state TEXT,
  export_url TEXT,
  expires_at TIMESTAMPTZ,
  requested_at TIMESTAMPTZ
);

COMMENT ON TABLE klipit.exports IS 'One row per export requested of a job for a platform and format; none for a refused one.';
COMMENT ON COLUMN klipit.exports.export_id IS 'Digest of job, platform and format; the key.';
COMMENT ON COLUMN klipit.exports.job_id IS 'Klipit job id.';
COMMENT ON COLUMN klipit.exports.platform IS 'tiktok, reels, shorts, linkedin or twitter; NULL if not given.';
COMMENT ON COLUMN klipit.exports.format IS 'mp4 or zip.';
COMMENT ON COLUMN klipit.exports.state IS 'What became of the last request: ready, not_ready or unknown.';
COMMENT ON COLUMN klipit.exports.export_url IS 'The last download link; NULL while none was ready.';
COMMENT ON COLUMN klipit.exports.expires_at IS 'When the link ends (UTC instant); NULL if not known.';
COMMENT ON COLUMN klipit.exports.requested_at IS 'When it was last requested (UTC instant).';
