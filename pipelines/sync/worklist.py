"""The worklist: which known ids are worth a request now, derived from what has landed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import duckdb

from pipelines.landing.store import Landing, bound
from pipelines.landing.tables import tracked
from pipelines.service import RUNS, SERVICES
from sources.shared.chunks import REJECTED_RECORDS
from sources.shared.due import Due

# The last rejection of a whole id, and whether the API has answered that the id does not exist.
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


@dataclass(frozen=True)
class Worklist:
    """How many ids of a service are known, and those that are due."""

    known: int
    due: list[Due]


def worklist(
    landing: Landing,
    service: str,
    now: datetime,
    refresh: Iterable[str] = (),
    hints: Mapping[str, datetime] | None = None,
) -> Worklist:
    """What is due of one service, ids to refresh first.

    Args:
        refresh: ids requested by name; the caller refuses unknown ones.
        hints: ids named in a webhook call → when (UTC).
    """
    record = SERVICES[service]
    if not landing.has_tables(service, [record.submissions]):
        return Worklist(0, [])
    refused = _REFUSED if landing.has_tables(RUNS, [REJECTED_RECORDS]) else _NONE_REFUSED
    (known,) = landing.connection.execute(
        f"""SELECT count(DISTINCT {record.id_name}) FROM {service}.submissions
            WHERE {tracked(landing.connection, service)}"""
    ).fetchone() or (0,)
    by_name = dict.fromkeys(refresh)
    due = [Due(id_, refresh=True) for id_ in by_name]
    others = due_ids(landing.connection, service, now, hints, refused=refused)
    return Worklist(known, due + [item for item in others if item.id not in by_name])


def running(landing: Landing, service: str) -> int:
    """How many tracked ids have a record that is neither finished nor failed."""
    record, con = SERVICES[service], landing.connection
    if not landing.has_tables(service, record.tables):
        return 0
    ended = [*sorted(record.finished), *sorted(record.failed), "not_found"]
    (count,) = con.execute(
        bound(
            f"""SELECT count(*)
                FROM (SELECT {record.id_name}, arg_max(lower(status), observed_at) AS status
                      FROM {service}.{record.api.observations.name} GROUP BY 1)
                WHERE status NOT IN (SELECT unnest($ended))
                  AND {record.id_name} IN (SELECT {record.id_name} FROM {service}.submissions
                                           WHERE {tracked(con, service)})""",
            ended=ended,
        )
    ).fetchone() or (0,)
    return int(count)


def due_ids(
    con: duckdb.DuckDBPyConnection,
    service: str,
    now: datetime,
    hints: Mapping[str, datetime] | None = None,
    *,
    refused: str = _REFUSED,
    published: bool = False,
) -> list[Due]:
    """What is due, by the rules and what has landed.

    Args:
        published: `con` is open on the published file, in which every load is complete.
    """
    record, calls = SERVICES[service], hints or {}
    state = _text(record.worklist).replace("$refused", refused)
    state = state.replace("$tracked", tracked(con, service))
    if published:
        state = re.sub(r"SEMI JOIN \w+\._dlt_loads .*", "", state)
    folder = Path(__file__).parent
    con.execute(_text(folder / "macros.sql"))
    rows = con.execute(
        bound(
            _text(folder / "due.sql").replace("$state", state),
            now=now,
            source=service,
            finished=sorted(record.finished),
            failed=sorted(record.failed),
            endpoints=record.endpoints,
            hinted=calls.keys(),
            hinted_at=calls.values(),
        )
    ).fetchall()
    return [
        Due(id_, poll=not only_children, children_read_at=children_read_at)
        for id_, children_read_at, only_children in rows
    ]


@cache
def _text(path: Path) -> str:
    """A query without its comments, in which a `$` would be read as a parameter."""
    return re.sub(r"--.*", "", path.read_text())
