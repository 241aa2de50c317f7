"""A page for one show or period: the same models over the landing rows of its jobs alone.

What is computed from those rows can hold nothing of other shows.
"""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from pipelines.reports.rows import Selection
from pipelines.service import SERVICES
from pipelines.warehouse.catalog import declared_types, literal, qualified, quoted
from pipelines.warehouse.compiler import project

_SELECTED = """
CREATE TABLE memory.main.selected AS
SELECT 'klipit' AS service, job_id AS id FROM staging.stg_klipit__jobs WHERE {jobs}
UNION ALL
SELECT 'clipus', campaign_id FROM staging.stg_clipus__campaigns WHERE {campaigns}
"""
_BALANCES, _CREDIT_DAYS = "klipit.account_snapshots", "reports.credit_usage"


def narrow(con: duckdb.DuckDBPyConnection, selection: Selection) -> None:
    """Let the connection read one show or period in place of all that is published.

    Episodes and campaigns are those created in the period. A show has no campaigns and no credits;
    a period has the credits of its days, which all its episodes used.

    Args:
        con: as `open_published` gives it; the copies go to its in-memory database.
        selection: the show's name as the data has it, the first day in UTC, or both.
    """
    conditions = []
    if selection.show is not None:
        conditions.append(f"show_name = {literal(selection.show)}")
    if selection.since is not None:
        conditions.append(f"created_at >= TIMESTAMPTZ '{selection.since} 00:00:00+00'")
    jobs = " AND ".join(conditions)
    campaigns = jobs if selection.show is None else "FALSE"
    con.execute(_SELECTED.format(jobs=jobs, campaigns=campaigns))

    sql = project()
    for schema in dict.fromkeys(relation.schema for relation in sql.relations):
        con.execute(f"CREATE SCHEMA memory.{quoted(schema)}")
    for table, columns in declared_types(sql).items():
        _copy(con, table, _condition(table, columns, selection))
    _copy(con, "clipmart.publication", "TRUE")
    if selection.show is None:
        _copy(con, _CREDIT_DAYS, f"day >= DATE '{selection.since}'")
    con.execute("USE memory")
    for model in sql.models:
        if model.name != _CREDIT_DAYS or selection.show is not None:
            con.execute(model.create)


def _copy(con: duckdb.DuckDBPyConnection, table: str, condition: str) -> None:
    name = qualified(table)
    con.execute(f"CREATE TABLE memory.{name} AS FROM {name} WHERE {condition}")


def _condition(table: str, columns: Collection[str], selection: Selection) -> str:
    """Which rows of a landing table belong to the selection."""
    if table == _BALANCES and selection.show is None:
        return "TRUE"
    schema, _, name = table.partition(".")
    service = SERVICES.get(schema)
    if service is None:
        return "FALSE"
    records = service.api.records
    column = records.key[0] if name == records.name else service.id_name
    if column not in columns:
        return "FALSE"
    of_service = f"SELECT id FROM memory.main.selected WHERE service = {literal(schema)}"
    return f"{quoted(column)} IN ({of_service})"
