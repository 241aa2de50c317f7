-- grain: run_id
CREATE TABLE clipmart.sync_runs (
  run_id TEXT,
  started_at TIMESTAMPTZ,
  finished_at TIMESTAMPTZ,
  exit_code BIGINT,
  requests BIGINT,
  rows BIGINT,
  rejected BIGINT
);

COMMENT ON TABLE clipmart.sync_runs IS 'One row per sync; one that landed nothing appears with the next that does.';
COMMENT ON COLUMN clipmart.sync_runs.run_id IS 'Key of the run.';
COMMENT ON COLUMN clipmart.sync_runs.started_at IS 'When it began (UTC instant).';
COMMENT ON COLUMN clipmart.sync_runs.finished_at IS 'When it ended (UTC instant); NULL if it was killed.';
COMMENT ON COLUMN clipmart.sync_runs.exit_code IS '0 done, 1 some failed, 3 configuration, 75 try again later; NULL if it was killed.';
COMMENT ON COLUMN clipmart.sync_runs.requests IS 'Requests sent.';
COMMENT ON COLUMN clipmart.sync_runs.rows IS 'Rows landed.';
COMMENT ON COLUMN clipmart.sync_runs.rejected IS 'Records saved in clipmart.rejected_records.';
