"""dlt's own declarative REST source, as in its documentation, with its default settings.

It only loads. `python rest_api.py URL KEY IDS FOLDER`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import RESTAPIConfig


def main(url: str, key: str, ids: str, folder: str) -> None:
    """Load the jobs and clips of the ids in a file."""

    @dlt.resource(selected=False)
    def known() -> Iterator[list[dict[str, str]]]:
        yield [{"id": id_} for id_ in Path(ids).read_text().split()]

    config: RESTAPIConfig = {
        "client": {"base_url": url, "auth": {"type": "bearer", "token": key}},
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": [
            known(),
            {"name": "jobs", "endpoint": {"path": "jobs/{resources.known.id}"}},
            {
                "name": "clips",
                "endpoint": {"path": "jobs/{resources.jobs.id}/clips", "data_selector": "clips"},
                "include_from_parent": ["id"],
            },
        ],
    }
    pipeline = dlt.pipeline(
        "rest_api",
        pipelines_dir=str(Path(folder) / "dlt"),
        destination=dlt.destinations.duckdb(str(Path(folder) / "rest_api.duckdb")),
        dataset_name="klipit",
    )
    pipeline.run(rest_api_source(config))


if __name__ == "__main__":
    main(*sys.argv[1:])
