/* As many rows as there are in another model, or as there meet a condition. */
AUDIT (
  name counts_every_row,
  defaults (
    condition = TRUE
  )
);

SELECT
  counted.here,
  counted.there
FROM (
  SELECT
    (SELECT COUNT(*) FROM @this_model) AS here,
    (SELECT COUNT(*) FROM @of WHERE @condition) AS there
) AS counted
WHERE counted.here <> counted.there;

/* A count that adds up to the rows of another model: nothing is lost or counted twice. */
AUDIT (
  name sums_to_rows,
  defaults (
    condition = TRUE
  )
);

SELECT
  counted.here,
  counted.there
FROM (
  SELECT
    (SELECT COALESCE(SUM(@total), 0) FROM @this_model) AS here,
    (SELECT COUNT(*) FROM @of WHERE @condition) AS there
) AS counted
WHERE counted.here <> counted.there;

/* The parts of a count add up to it. */
AUDIT (
  name parts_make_whole
);

SELECT
  @whole AS whole,
  @parts AS parts
FROM @this_model
WHERE @whole <> (@parts);

/* open - used + added = close, but for rounding; all are known or none is. */
AUDIT (
  name balance_reconciles
);

SELECT
  day,
  balance_open,
  credits_used,
  credits_added,
  balance_close
FROM @this_model
WHERE
  ABS(balance_open - credits_used + credits_added - balance_close)
  > 0.000001 * GREATEST(1, ABS(balance_open), credits_used, credits_added)
  OR (balance_close IS NULL) <> (balance_open IS NULL);

/* A column adds up to the same as the column of that name in another model, but for rounding. */
AUDIT (
  name adds_up_to
);

SELECT
  counted.here,
  counted.there
FROM (
  SELECT
    (SELECT SUM(@total) FROM @this_model) AS here,
    (SELECT SUM(@total) FROM @of) AS there
) AS counted
WHERE
  ABS(counted.here - counted.there) > 0.000001 * GREATEST(1, ABS(counted.there))
  OR (counted.here IS NULL) <> (counted.there IS NULL);

/* A column adds up to another model's column over the rows that meet a condition, but for rounding. */
AUDIT (
  name shares_out
);

SELECT
  counted.here,
  counted.there
FROM (
  SELECT
    (SELECT COALESCE(SUM(@total), 0) FROM @this_model) AS here,
    (SELECT COALESCE(SUM(@whole), 0) FROM @of WHERE @condition) AS there
) AS counted
WHERE ABS(counted.here - counted.there) > 0.000001 * GREATEST(1, ABS(counted.there));
