/* Which guests give shareable clips, compared within their show. One row per show and named guest with a
   complete job. */
MODEL (
  name reports.guests,
  kind FULL,
  grain (show_name, guest_name),
  audits (
    unique_combination_of_columns(columns := (show_name, guest_name)),
    sums_to_rows(
      total := jobs,
      of := reports.shareability,
      condition := REGEXP_MATCHES(guest_name, '[^\s\pZ]')
    )
  )
);

WITH jobs AS (
  SELECT
    job_id,
    show_name,
    guest_name
  FROM staging.stg_klipit__jobs
  WHERE outcome = 'finished' AND REGEXP_MATCHES(guest_name, '[^\s\pZ]')
), counted AS (
  SELECT
    show_name,
    guest_name,
    COUNT(*) AS jobs
  FROM jobs
  GROUP BY show_name, guest_name
), scored AS (
  SELECT
    jobs.show_name,
    jobs.guest_name,
    COUNT(*) AS clips,
    COUNT(DISTINCT jobs.job_id) FILTER (WHERE clips.score IS NOT NULL) AS scored_jobs,
    AVG(clips.score) AS mean_score,
    QUANTILE_CONT(clips.score, 0.5) AS median_score,
    MAX(clips.score) AS best_score,
    COUNT(*) FILTER (WHERE clips.score >= 80) AS clips_80_plus
  FROM jobs
  INNER JOIN staging.stg_klipit__clips AS clips
    ON clips.job_id = jobs.job_id
  GROUP BY jobs.show_name, jobs.guest_name
)
SELECT
  counted.show_name::TEXT                        AS show_name,      /* Show, as submitted; NULL gathers the
                                                                       jobs without one */
  counted.guest_name::TEXT                       AS guest_name,     /* Guest, as submitted */
  counted.jobs::BIGINT                           AS jobs,           /* Complete jobs with this guest, those
                                                                       without clips included */
  COALESCE(scored.clips, 0)::BIGINT              AS clips,          /* Their clips, unscored ones included */
  scored.mean_score::DOUBLE                      AS mean_score,     /* Mean score of the clips in points; NULL
                                                                       if none is scored */
  scored.median_score::DOUBLE                    AS median_score,   /* Median score of the clips in points;
                                                                       NULL if none is scored */
  scored.best_score::DOUBLE                      AS best_score,     /* Highest score in points; NULL if none
                                                                       is scored */
  COALESCE(scored.clips_80_plus, 0)::BIGINT      AS clips_80_plus,  /* Clips of 80 points or more */
  (scored.mean_score - shows.mean_score)::DOUBLE AS lift,           /* Its mean score less the mean of all
                                                                       clips of the show, in points; NULL if
                                                                       none is scored */
  (
    COALESCE(scored.scored_jobs, 0) >= 3
    AND shows.scored_jobs - COALESCE(scored.scored_jobs, 0) >= 3
  )::BOOLEAN                                     AS enough_episodes /* At least 3 jobs with a scored clip, and
                                                                       3 others of the show: below that, the
                                                                       lift is mostly chance */
FROM counted
INNER JOIN staging.show_scores AS shows
  ON shows.show_name IS NOT DISTINCT FROM counted.show_name
LEFT JOIN scored
  ON scored.show_name IS NOT DISTINCT FROM counted.show_name
  AND scored.guest_name = counted.guest_name
ORDER BY enough_episodes DESC, lift DESC NULLS LAST, counted.show_name, counted.guest_name
