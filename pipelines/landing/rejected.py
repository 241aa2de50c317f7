"""Which rejected records still count: those that no later answer has replaced.

A rejection stays in `clipmart.rejected_records` after the API has fixed the record and a sync has
loaded it, so counting its rows would report loaded records as not loaded.
"""

from __future__ import annotations

from pipelines.service import SERVICES
from pipelines.warehouse.catalog import literal


def rejected_sql() -> str:
    """The query of the rows of `clipmart.rejected_records` that still count."""
    answers, parents = [], []
    for service in SERVICES.values():
        api, read = service.api, service.children_read
        source = literal(service.name)
        for endpoint, table in ((api.records, api.records), (api.children, read)):
            answers.append(
                f"SELECT {source}, {literal(endpoint.name)}, {table.key[0]}, observed_at "
                f"FROM {service.name}.{table.name}"
            )
        parents.append(
            f"WHEN source = {source} AND endpoint = {literal(api.children.name)} "
            f"THEN COALESCE(payload ->> {literal(api.parent)}, id)"
        )
    return f"""
        SELECT rejected.* EXCLUDE (record)
        FROM (
          SELECT *, CASE {" ".join(parents)} ELSE id END AS record
          FROM clipmart.rejected_records
        ) AS rejected
        ANTI JOIN ({" UNION ALL ".join(answers)}) AS answers(source, endpoint, record, observed_at)
          ON answers.source = rejected.source AND answers.endpoint = rejected.endpoint
          AND answers.record = rejected.record AND answers.observed_at > rejected.seen_at"""
