/* What jobs and clips cost over all days with a known balance. Exactly one row. */
MODEL (
  name staging.page_costs,
  kind VIEW,
  audits (
    adds_up_to(total := credits_used, of := reports.credit_usage)
  )
);

SELECT
  SUM(credits_used)::DOUBLE AS credits_used,     /* Credits used in all; NULL if no balance is known */
  (SUM(credits_used) / NULLIF(SUM(jobs_submitted), 0))::DOUBLE
                            AS credits_per_job,  /* Credits used per job created; NULL without jobs or
                                                    balances */
  (SUM(credits_used) / NULLIF(SUM(clips), 0))::DOUBLE
                            AS credits_per_clip  /* Credits used per clip of the jobs completed; NULL without
                                                    clips or balances */
FROM reports.credit_usage
WHERE credits_used IS NOT NULL
