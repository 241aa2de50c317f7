-- grain: observation_id
CREATE TABLE klipit.job_observations (
  observation_id TEXT,
  job_id TEXT,
  status TEXT,
  observed_at TIMESTAMPTZ
);

COMMENT ON TABLE klipit.job_observations IS 'One row per change of a job''s status, as seen by polling.';
COMMENT ON COLUMN klipit.job_observations.observation_id IS 'Key of the observation.';
COMMENT ON COLUMN klipit.job_observations.job_id IS 'Klipit job id.';
COMMENT ON COLUMN klipit.job_observations.status IS 'The status then; not_found if a loaded job is answered by 404.';
COMMENT ON COLUMN klipit.job_observations.observed_at IS 'When it was first seen (the answer''s Date, UTC instant).';
