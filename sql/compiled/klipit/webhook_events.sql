-- grain: event_id
CREATE TABLE klipit.webhook_events (
  event_id TEXT,
  event TEXT,
  job_id TEXT,
  clip_count BIGINT,
  error TEXT,
  event_at TIMESTAMPTZ,
  received_at TIMESTAMPTZ
);

COMMENT ON TABLE klipit.webhook_events IS 'One row per distinct webhook call with a valid signature.';
COMMENT ON COLUMN klipit.webhook_events.event_id IS 'SHA-256 of the body; the key, so a repeated call is one row.';
COMMENT ON COLUMN klipit.webhook_events.event IS 'job.created, job.complete or job.failed; an open list.';
COMMENT ON COLUMN klipit.webhook_events.job_id IS 'Klipit job id.';
COMMENT ON COLUMN klipit.webhook_events.clip_count IS 'Clips, by the count of job.complete; NULL otherwise.';
COMMENT ON COLUMN klipit.webhook_events.error IS 'Why the job failed, by job.failed; NULL otherwise.';
COMMENT ON COLUMN klipit.webhook_events.event_at IS 'The event''s own timestamp (UTC instant); NULL if it has none.';
COMMENT ON COLUMN klipit.webhook_events.received_at IS 'When it arrived here (UTC instant).';
