-- grain: submission_id
CREATE TABLE klipit.submissions (
  submission_id TEXT,
  origin TEXT,
  state TEXT,
  job_id TEXT,
  source_url TEXT,
  file_name TEXT,
  show_name TEXT,
  guest_name TEXT,
  description TEXT,
  platforms JSON,
  error TEXT,
  submitted_at TIMESTAMPTZ,
  recorded_at TIMESTAMPTZ,
  untracked_at TIMESTAMPTZ
);

COMMENT ON TABLE klipit.submissions IS 'One row per known job id or submission, with what was entered when it was sent.';
COMMENT ON COLUMN klipit.submissions.submission_id IS 'Key of the submission or the known id.';
COMMENT ON COLUMN klipit.submissions.origin IS 'How the id became known: submit, import or webhook.';
COMMENT ON COLUMN klipit.submissions.state IS 'known: it has a job; unknown: the answer was lost; failed: refused.';
COMMENT ON COLUMN klipit.submissions.job_id IS 'Klipit job id; NULL while the outcome is unknown or if it failed.';
COMMENT ON COLUMN klipit.submissions.source_url IS 'Episode that was submitted; NULL for a file or if not given.';
COMMENT ON COLUMN klipit.submissions.file_name IS 'Name of the file that was sent; NULL for a link.';
COMMENT ON COLUMN klipit.submissions.show_name IS 'Show, as submitted; NULL if not given. No answer repeats it.';
COMMENT ON COLUMN klipit.submissions.guest_name IS 'Guest, as submitted; NULL if not given.';
COMMENT ON COLUMN klipit.submissions.description IS 'Description, as submitted; NULL if not given.';
COMMENT ON COLUMN klipit.submissions.platforms IS 'Platforms requested, a JSON array of text; NULL if not given.';
COMMENT ON COLUMN klipit.submissions.error IS 'Why the submission failed; NULL otherwise.';
COMMENT ON COLUMN klipit.submissions.submitted_at IS 'When it was sent (UTC instant); NULL if not known.';
COMMENT ON COLUMN klipit.submissions.recorded_at IS 'When it was last recorded here (UTC instant).';
COMMENT ON COLUMN klipit.submissions.untracked_at IS 'When `clipmart untrack` removed it; NULL while tracked.';
