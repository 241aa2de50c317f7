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

COMMENT ON TABLE clipmart.rejected_records IS 'One row per record that could not be landed as the API sent it; the whole record is saved.';
COMMENT ON COLUMN clipmart.rejected_records.record_id IS 'Key of the record.';
COMMENT ON COLUMN clipmart.rejected_records.source IS 'Name of the source, such as klipit.';
COMMENT ON COLUMN clipmart.rejected_records.endpoint IS 'Table that the record belongs to, such as jobs or clips.';
COMMENT ON COLUMN clipmart.rejected_records.id IS 'Job or campaign id that it belongs to; NULL if there is none.';
COMMENT ON COLUMN clipmart.rejected_records.reason IS 'Why it did not land; `field`: only one undocumented field did not.';
COMMENT ON COLUMN clipmart.rejected_records.payload IS 'The record as the API sent it.';
COMMENT ON COLUMN clipmart.rejected_records.seen_at IS 'When it was read (UTC instant).';
