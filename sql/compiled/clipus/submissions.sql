-- grain: submission_id
CREATE TABLE clipus.submissions (
  submission_id TEXT,
  origin TEXT,
  state TEXT,
  campaign_id TEXT,
  job_id TEXT,
  url TEXT,
  languages JSON,
  title TEXT,
  webhook_url TEXT,
  error TEXT,
  submitted_at TIMESTAMPTZ,
  recorded_at TIMESTAMPTZ,
  untracked_at TIMESTAMPTZ
);

COMMENT ON TABLE clipus.submissions IS 'One row per known campaign id or submission, with what was said when it was made.';
COMMENT ON COLUMN clipus.submissions.submission_id IS 'Key of the submission or the known id.';
COMMENT ON COLUMN clipus.submissions.origin IS 'How it came to be known: submit, import or webhook.';
COMMENT ON COLUMN clipus.submissions.state IS 'known: it has a campaign; unknown: the answer was lost; failed: it was refused.';
COMMENT ON COLUMN clipus.submissions.campaign_id IS 'Clipus campaign id; NULL while the outcome is unknown or where it failed.';
COMMENT ON COLUMN clipus.submissions.job_id IS 'The id of Clipus''s own job behind the campaign; NULL where not told.';
COMMENT ON COLUMN clipus.submissions.url IS 'Product page that was submitted; NULL where not given.';
COMMENT ON COLUMN clipus.submissions.languages IS 'Languages asked for, a JSON array of text; NULL where left to Clipus.';
COMMENT ON COLUMN clipus.submissions.title IS 'Label asked for; NULL where left to Clipus.';
COMMENT ON COLUMN clipus.submissions.webhook_url IS 'Where Clipus was asked to call, without its token; NULL where not given.';
COMMENT ON COLUMN clipus.submissions.error IS 'Why the submission failed, e.g. that the monthly limit is reached; NULL otherwise.';
COMMENT ON COLUMN clipus.submissions.submitted_at IS 'When it was sent (UTC instant); NULL where not known.';
COMMENT ON COLUMN clipus.submissions.recorded_at IS 'When it was last recorded here (UTC instant).';
COMMENT ON COLUMN clipus.submissions.untracked_at IS 'When `clipmart untrack` took the id out (UTC instant); NULL while it is tracked.';
