"""The worklist: which known ids are worth asking for now, derived from what is landed.

The rules are those of docs/syncing.md. A row counts only if its load was
completed: a load that was cut off leaves rows whose siblings may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipelines.landing.inbox import SUBMISSIONS, tracked
from pipelines.landing.store import Landing, bound
from sources.klipit.settings import FAILED, FINISHED
from sources.shared.tables import REJECTED_RECORDS

# How long after the last look an unfinished id is worth another, by its age.
_LADDER = """
  CASE
    WHEN age < INTERVAL 10 MINUTE THEN INTERVAL 15 SECOND
    WHEN age < INTERVAL 1 HOUR THEN INTERVAL 2 MINUTE
    WHEN age < INTERVAL 1 DAY THEN INTERVAL 30 MINUTE
    WHEN age < INTERVAL 14 DAY THEN INTERVAL 12 HOUR
  END"""
_WEBHOOK_PATIENCE = "INTERVAL 15 MINUTE"
_AHEAD = "$now + INTERVAL 5 MINUTE"
"""Later instants are of a clock that was wrong."""


def _dated(instant: str) -> str:
    """An instant of ours, long ago where it is dated ahead: it must not hold an id back."""
    return f"CASE WHEN {instant} > {_AHEAD} THEN '-infinity'::TIMESTAMPTZ ELSE {instant} END"


_ASKED_AT = f"greatest({_dated('observed_at')}, {_dated('refused_at')}, {_dated('gone_at')})"


def _plausible(row: str, instant: str) -> str:
    """An instant of the API's; NULL before 2000 and over a day ahead, as in staging.

    Go's zero time, 0001-01-01, means none: an id of that age would never be due again.
    """
    return (
        f"CASE WHEN {row}.{instant} >= TIMESTAMPTZ '2000-01-01 00:00:00+00' "
        f"AND COALESCE({row}.{instant} <= {row}.observed_at + INTERVAL 1 DAY, true) "
        f"THEN {row}.{instant} END"
    )


# Rejections of an id as a whole: the last one, and whether it says that the id does not exist.
_REFUSED = """
    SELECT
      id,
      max(seen_at) AS seen_at,
      COALESCE(bool_or(reason = 'not_found'), false) AS not_found
    FROM clipmart.rejected_records
    WHERE source = $source AND endpoint IN (SELECT unnest($endpoints)) AND reason <> 'field'
    GROUP BY id"""

_NONE_REFUSED = """
    SELECT NULL::VARCHAR AS id, NULL::TIMESTAMPTZ AS seen_at, NULL::BOOLEAN AS not_found
    WHERE false"""

_KLIPIT = f"""
WITH
  known AS (
    SELECT job_id AS id, min(recorded_at) AS known_at, bool_and(origin = 'webhook') AS by_webhook
    FROM klipit.submissions WHERE job_id IS NOT NULL AND $tracked GROUP BY job_id
  ),
  events AS (
    SELECT
      job_id AS id,
      max(COALESCE(event_at, received_at)) AS event_at,
      max(received_at) AS received_at,
      COALESCE(bool_and(event = 'job.created'), false) AS only_created
    FROM klipit.webhook_events GROUP BY job_id
  ),
  refused AS ($refused),
  jobs AS (
    SELECT j.* FROM klipit.jobs AS j
    SEMI JOIN klipit._dlt_loads AS l ON l.load_id = j._dlt_load_id AND l.status = 0
  ),
  reads AS (
    SELECT r.job_id, r.observed_at FROM klipit.clip_reads AS r
    SEMI JOIN klipit._dlt_loads AS l ON l.load_id = r._dlt_load_id AND l.status = 0
  ),
  gone AS (
    SELECT job_id AS id, max(observed_at) AS observed_at
    FROM klipit.job_observations WHERE status = 'not_found' GROUP BY job_id
  ),
  state AS (
    SELECT
      k.id,
      k.known_at,
      k.by_webhook,
      e.event_at,
      e.received_at AS event_received_at,
      e.only_created,
      j.id IS NOT NULL AS loaded,
      lower(j.status) IN (SELECT unnest($finished)) AS finished,
      lower(j.status) IN (SELECT unnest($failed)) AS failed,
      j.observed_at,
      r.observed_at AS clips_read_at,
      COALESCE(
        r.observed_at >= CASE
          WHEN j.completed_at <= j.observed_at THEN j.completed_at ELSE j.observed_at
        END,
        false
      ) OR COALESCE(j.clip_count = 0, false) AS clips_read,
      COALESCE(g.observed_at >= j.observed_at, false) AS gone,
      g.observed_at AS gone_at,
      x.seen_at AS refused_at,
      COALESCE(x.not_found, false) AS not_found,
      $now - COALESCE({_plausible("j", "created_at")}, k.known_at) AS age
    FROM known AS k
    LEFT JOIN events AS e USING (id)
    LEFT JOIN jobs AS j USING (id)
    LEFT JOIN reads AS r ON r.job_id = k.id
    LEFT JOIN gone AS g USING (id)
    LEFT JOIN refused AS x USING (id)
  ),
  judged AS (
    SELECT
      *,
      {_ASKED_AT} AS asked_at,
      {_LADDER} AS patience,
      COALESCE(event_at > {_ASKED_AT}, false) AS told
    FROM state
  )
SELECT
  id,
  clips_read_at,
  -- A job that was observed at an instant ahead is polled: that dates it right.
  COALESCE(finished AND NOT told AND observed_at <= {_AHEAD}, false) AS only_clips
FROM judged
WHERE
  CASE
    WHEN NOT loaded AND not_found THEN false
    WHEN asked_at IS NULL AND by_webhook AND only_created
      THEN {_dated("event_received_at")} <= $now - {_WEBHOOK_PATIENCE}
    WHEN asked_at IS NULL THEN true
    WHEN told THEN true
    WHEN gone OR failed THEN false
    WHEN finished AND clips_read THEN false
    WHEN finished AND refused_at IS NULL THEN true
    ELSE asked_at <= $now - patience
  END
ORDER BY told DESC, known_at DESC, id
"""

_CLIPUS = f"""
WITH
  known AS (
    SELECT campaign_id AS id, min(recorded_at) AS known_at
    FROM clipus.submissions WHERE campaign_id IS NOT NULL AND $tracked GROUP BY campaign_id
  ),
  refused AS ($refused),
  campaigns AS (
    SELECT c.* FROM clipus.campaigns AS c
    SEMI JOIN clipus._dlt_loads AS l ON l.load_id = c._dlt_load_id AND l.status = 0
  ),
  open_videos AS (
    SELECT campaign_id, count(*) AS videos FROM clipus.videos AS v
    WHERE
      {_plausible("v", "published_at")} IS NULL
      AND COALESCE(lower(status) NOT IN (SELECT unnest($failed)), true)
    GROUP BY campaign_id
  ),
  gone AS (
    SELECT campaign_id AS id, max(observed_at) AS observed_at
    FROM clipus.campaign_observations WHERE status = 'not_found' GROUP BY campaign_id
  ),
  hints AS (
    SELECT unnest($hinted::VARCHAR[]) AS id, unnest($hinted_at::TIMESTAMPTZ[]) AS event_at
  ),
  state AS (
    SELECT
      k.id,
      k.known_at,
      h.event_at,
      c.campaign_id IS NOT NULL AS loaded,
      lower(c.status) IN (SELECT unnest($finished)) AS finished,
      lower(c.status) IN (SELECT unnest($failed)) AS failed,
      c.observed_at,
      COALESCE(v.videos, 0) = 0 AS videos_settled,
      COALESCE(g.observed_at >= c.observed_at, false) AS gone,
      g.observed_at AS gone_at,
      x.seen_at AS refused_at,
      COALESCE(x.not_found, false) AS not_found,
      $now - COALESCE({_plausible("c", "created_at")}, k.known_at) AS age
    FROM known AS k
    LEFT JOIN hints AS h USING (id)
    LEFT JOIN campaigns AS c ON c.campaign_id = k.id
    LEFT JOIN open_videos AS v ON v.campaign_id = k.id
    LEFT JOIN gone AS g USING (id)
    LEFT JOIN refused AS x USING (id)
  ),
  judged AS (
    SELECT
      *,
      {_ASKED_AT} AS asked_at,
      {_LADDER} AS patience,
      COALESCE(event_at > {_ASKED_AT}, false) AS told
    FROM state
  )
SELECT id, NULL AS clips_read_at, false AS only_clips
FROM judged
WHERE
  CASE
    WHEN NOT loaded AND not_found THEN false
    WHEN asked_at IS NULL THEN true
    WHEN told THEN true
    WHEN gone OR failed THEN false
    WHEN finished AND videos_settled THEN false
    WHEN finished THEN age < INTERVAL 14 DAY AND asked_at <= $now - INTERVAL 24 HOUR
    ELSE asked_at <= $now - patience
  END
ORDER BY told DESC, known_at DESC, id
"""


@dataclass(frozen=True)
class Due:
    """An id worth asking for."""

    id: str
    poll: bool = True
    """False: the job is known to be complete, only its clips are missing."""
    clips_read_at: datetime | None = None
    refresh: bool = False
    """Asked for by name: also where settled, and its clips are read again."""


@dataclass(frozen=True)
class Worklist:
    known: int
    due: list[Due]


def worklist(
    landing: Landing,
    service: str,
    now: datetime,
    refresh: Iterable[str] = (),
    hints: Mapping[str, datetime] | None = None,
) -> Worklist:
    """What is due of one service, the ids to refresh first.

    Args:
        refresh: ids asked for by name; unknown ones are the caller's to refuse.
        hints: Clipus campaign ids named in a call → when (UTC).
    """
    if not landing.has_tables(service, [SUBMISSIONS[service]]):
        return Worklist(0, [])
    refused = _REFUSED if landing.has_tables("clipmart", [REJECTED_RECORDS]) else _NONE_REFUSED
    id_name = "job_id" if service == "klipit" else "campaign_id"
    (known,) = landing.connection.execute(
        f"""SELECT count(DISTINCT {id_name}) FROM {service}.submissions
            WHERE {tracked(landing.connection, service)}"""
    ).fetchone() or (0,)
    asked_by_name = dict.fromkeys(refresh)
    due = [Due(id_, refresh=True) for id_ in asked_by_name]
    found = due_ids(landing.connection, service, now, hints, refused=refused)
    return Worklist(known, due + [item for item in found if item.id not in asked_by_name])


def due_ids(
    con: duckdb.DuckDBPyConnection,
    service: str,
    now: datetime,
    hints: Mapping[str, datetime] | None = None,
    *,
    refused: str = _REFUSED,
    published: bool = False,
) -> list[Due]:
    """What is due by the rules, of what is landed.

    Args:
        published: `con` stands in the published file, where every row's load was completed.
    """
    told = hints or {}
    sql = _KLIPIT if service == "klipit" else _CLIPUS
    sql = sql.replace("$refused", refused).replace("$tracked", tracked(con, service))
    if published:
        sql = re.sub(r"SEMI JOIN \w+\._dlt_loads .*", "", sql)
    rows = con.execute(
        bound(
            sql,
            now=now,
            source=service,
            finished=sorted(FINISHED),
            failed=sorted(FAILED),
            endpoints=["jobs", "clips"] if service == "klipit" else ["campaigns"],
            hinted=told.keys(),
            hinted_at=told.values(),
        )
    ).fetchall()
    return [Due(id_, not only_clips, clips_read_at) for id_, clips_read_at, only_clips in rows]
