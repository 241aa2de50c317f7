-- An instant from this machine's clock. If the clock was ahead, it counts as long ago, so that no id waits.
CREATE OR REPLACE TEMP MACRO dated(instant, now) AS
  CASE
    WHEN instant > now + INTERVAL 5 MINUTES THEN '-infinity'::TIMESTAMPTZ
    ELSE instant
  END;

-- An instant from the API; NULL before 2000 and over a day ahead, as in staging. Go's zero time,
-- 0001-01-01, means that there is none: an id of that age would never be due again.
CREATE OR REPLACE TEMP MACRO plausible(instant, observed_at) AS
  CASE
    WHEN instant >= TIMESTAMPTZ '2000-01-01 00:00:00+00'
      AND COALESCE(instant <= observed_at + INTERVAL 1 DAY, true)
      THEN instant
  END;
