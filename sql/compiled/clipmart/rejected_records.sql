-- grain: record_id
CREATE TABLE clipmart.rejected_records (
  record_id TEXT,
  source TEXT,
  endpoint TEXT,
  id TEXT,
  reason TEXT,
  payload JSON,
  seen_at TIMESTAMPTZ
);

COMMENT ON TABLE clipmart.rejected_records IS 'One row per record that could not be landed as it came, kept whole.';
COMMENT ON COLUMN clipmart.rejected_records.record_id IS 'Key of the record.';
COMMENT ON COLUMN clipmart.rejected_records.source IS 'klipit or clipus.';
COMMENT ON COLUMN clipmart.rejected_records.endpoint IS 'What was asked for.';
COMMENT ON COLUMN clipmart.rejected_records.id IS 'Job or campaign id it belongs to; NULL where there is none.';
COMMENT ON COLUMN clipmart.rejected_records.reason IS 'Why it was not landed; `field`: only one unknown field of it was not.';
COMMENT ON COLUMN clipmart.rejected_records.payload IS 'The record as it came.';
COMMENT ON COLUMN clipmart.rejected_records.seen_at IS 'When it was seen (UTC instant).';
