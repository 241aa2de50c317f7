-- grain: submission_id
CREATE TABLE clipus.submissions (
  submission_id TEXT,
  origin TEXT,
  state TEXT,
  campaign_id TEXT,
  url TEXT,
  languages JSON,
  title TEXT,
  webhook_url TEXT,
  job_id TEXT,
  error TEXT,
  submitted_at TIMESTAMPTZ,
  recorded_at TIMESTAMPTZ,
  untracked_at TIMESTAMPTZ
);

COMMENT ON TABLE clipus.submissions IS 'One row per known campaign id or submission, with what was entered when it was sent.';
COMMENT ON COLUMN clipus.submissions.submission_id IS 'Key of the submission or the known id.';
COMMENT ON COLUMN clipus.submissions.origin IS 'How the id became known: submit, import or webhook.';
COMMENT ON COLUMN clipus.submissions.state IS 'known: it has a campaign; unknown: answer lost; failed: refused.';
COMMENT ON COLUMN clipus.submissions.campaign_id IS 'Clipus campaign id; NULL while unknown or if it failed.';
COMMENT ON COLUMN clipus.submissions.url IS 'Product page that was submitted; NULL if not given.';
COMMENT ON COLUMN clipus.submissions.languages IS 'Languages requested, a JSON array of text; NULL if left to Clipus.';
COMMENT ON COLUMN clipus.submissions.title IS 'Label requested; NULL if left to Clipus.';
COMMENT ON COLUMN clipus.submissions.webhook_url IS 'Where Clipus was to call, without its token; NULL if not given.';
COMMENT ON COLUMN clipus.submissions.job_id IS 'Id of Clipus''s own job behind the campaign; NULL if not reported.';
COMMENT ON COLUMN clipus.submissions.error IS 'Why it failed, e.g. that the monthly limit is reached; else NULL.';
COMMENT ON COLUMN clipus.submissions.submitted_at IS 'When it was sent (UTC instant); NULL if not known.';
COMMENT ON COLUMN clipus.submissions.recorded_at IS 'When it was last recorded here (UTC instant).';
COMMENT ON COLUMN clipus.submissions.untracked_at IS 'When `clipmart untrack` removed it; NULL while tracked.';
