-- grain: job_id
CREATE TABLE klipit.clip_reads (
  job_id TEXT,
  observed_at TIMESTAMPTZ,
  clips BIGINT
);

COMMENT ON TABLE klipit.clip_reads IS 'One row per job whose clips were read, for the latest read.';
COMMENT ON COLUMN klipit.clip_reads.job_id IS 'Klipit job id; the key.';
COMMENT ON COLUMN klipit.clip_reads.observed_at IS 'When the clips were read (the answer''s Date, UTC instant).';
COMMENT ON COLUMN klipit.clip_reads.clips IS 'Records in the answer, rejected ones included.';
