/* The columns are never NULL and never twice the same. */
AUDIT (
  name is_key
);

SELECT
  @EACH(@columns, c -> c)
FROM @this_model
GROUP BY @EACH(@columns, c -> c)
HAVING COUNT(*) > 1 OR @REDUCE(@EACH(@columns, c -> c IS NULL), (x, y) -> x OR y);

/* Every row has the row that it belongs to. */
AUDIT (
  name belongs_to
);

SELECT
  child.@key AS without_parent
FROM @this_model AS child
ANTI JOIN @parent AS parent
  ON parent.@parent_key = child.@key;
