-- An instant of this machine's: long ago if a clock that was ahead dated it, so that it holds no id back.
CREATE OR REPLACE TEMP MACRO dated(instant, now) AS
  CASE
    WHEN instant > now + INTERVAL 5 MINUTES THEN '-infinity'::TIMESTAMPTZ
    ELSE instant
  END;

-- An instant of the API's; NULL before 2000 and over a day ahead, as in staging. Go's zero time,
-- 0001-01-01, means none: an id of that age would never be due again.
CREATE OR REPLACE TEMP MACRO plausible(instant, observed_at) AS
  CASE
    WHEN instant >= TIMESTAMPTZ '2000-01-01 00:00:00+00'
      AND COALESCE(instant <= observed_at + INTERVAL 1 DAY, true)
      THEN instant
  END;
