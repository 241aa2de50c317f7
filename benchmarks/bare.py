"""The lower limit: the fastest client available, Arrow, one DuckDB table each.

It has no pacing, no checkpoints and no state. `python bare.py URL KEY IDS FOLDER`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import duckdb
import pyarrow as pa

CONNECTIONS = 16


async def fetch(url: str, key: str, ids: list[str]) -> tuple[list[Any], list[Any]]:
    """The records of all jobs, and of all their clips."""
    jobs: list[Any] = []
    clips: list[Any] = []
    waiting = iter(ids)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:

        async def get(path: str) -> Any:
            async with session.get(f"{url}{path}") as answer:
                answer.raise_for_status()
                return await answer.json()

        async def work() -> None:
            for id_ in waiting:
                jobs.append(await get(f"/jobs/{id_}"))
                records = (await get(f"/jobs/{id_}/clips"))["clips"]
                clips.extend({**clip, "job_id": id_} for clip in records)

        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return jobs, clips


def main(url: str, key: str, ids: str, folder: str) -> None:
    """Fetch the ids in a file, and load the answers into `bare.duckdb`."""
    jobs, clips = asyncio.run(fetch(url, key, Path(ids).read_text().split()))
    with duckdb.connect(str(Path(folder) / "bare.duckdb")) as con:
        for name, rows in (("jobs", jobs), ("clips", clips)):
            con.register("landed", pa.Table.from_pylist(rows))
            con.execute(f"CREATE TABLE {name} AS FROM landed")


if __name__ == "__main__":
    main(*sys.argv[1:])
