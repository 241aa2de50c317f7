"""The sources alone, into other destinations than clipmart's.

These are the commands of docs/destinations.md that run without an account.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import dlt
import pyarrow.parquet
import pytest

from sandbox import Sandbox
from tests.support.demo_run import clean_environment

pytestmark = pytest.mark.soak

ROOT = Path(__file__).parents[2]
(EXAMPLE,) = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs/destinations.md").read_text(), flags=re.M | re.S
)
WITHOUT_LOAD = EXAMPLE.replace(
    'print(pipeline.run(source, loader_file_format="parquet"))',
    """pipeline.extract(source, loader_file_format="parquet")
    pipeline.normalize()
    package = pipeline.get_load_package_info(pipeline.list_normalized_load_packages()[0])
    for table in ("clips", "videos"):
        if table in pipeline.default_schema.tables:
            columns = pipeline.default_schema.tables[table]["columns"]
            print(destination, table, columns["duration_seconds"]["data_type"],
                  [name for name, c in columns.items() if c.get("primary_key")],
                  [j.job_file_info.file_format for j in package.jobs["new_jobs"]
                   if j.job_file_info.table_name == table])""",
)


def run(
    example: str, sandbox: Sandbox, folder: Path, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """The page's lines, on a job of two clips and a campaign of one video."""
    sandbox.add_job("job_1", clips=2)
    sandbox.add_campaign("c-1", languages=["en"], videos=[{"id": "v1", "status": "ready"}])
    settings = {
        f"SOURCES__{name}__{setting}": value
        for name, url, key in (
            ("KLIPIT", sandbox.klipit_url, "klipit_sk_sandbox"),
            ("CLIPUS", sandbox.clipus_url, "sk_live_sandbox"),
        )
        for setting, value in (("BASE_URL", url), ("API_KEY", key), ("MINUTE_SECONDS", "0"))
    }
    return subprocess.run(
        [sys.executable, "-c", example, *arguments, "job_1", "c-1"],
        cwd=folder,
        env=clean_environment()
        | settings
        | {"DLT_DATA_DIR": str(folder / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false"}
        | {"PYTHONPATH": os.fspath(ROOT)}
        | more,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_the_example_loads_files(sandbox: Sandbox, tmp_path: Path) -> None:
    """Parquet in a folder: the clips that the server has, with typed scores."""
    files = tmp_path / "files"
    done = run(
        EXAMPLE, sandbox, tmp_path, "filesystem", DESTINATION__FILESYSTEM__BUCKET_URL=files.as_uri()
    )
    assert done.returncode == 0, done.stderr
    (clips,) = (files / "klipit" / "clips").glob("*.parquet")
    table = pyarrow.parquet.read_table(clips)
    assert sorted(table["id"].to_pylist()) == sorted(c["id"] for c in sandbox.jobs["job_1"].clips)
    assert str(table.schema.field("shareability_score").type) == "double"


def test_tables_of_delta_and_iceberg_replace_no_clips() -> None:
    """dlt knows no delete-insert for them, as the page says; `clips` is not silently upserted."""
    files = dlt.destinations.filesystem(bucket_url="file:///nowhere").capabilities()
    for table_format in ("delta", "iceberg"):
        strategies = files.merge_strategies_selector(
            files.supported_merge_strategies, table_schema={"table_format": table_format}
        )
        assert "upsert" in strategies
        assert "delete-insert" not in strategies


def test_the_sources_are_prepared_for_destinations_that_need_an_account(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Extracted and normalised by each destination's rules: keys, types and Parquet files."""
    destinations = ["motherduck", "bigquery", "snowflake"]
    one = WITHOUT_LOAD.replace("_elsewhere", "_{destination}")
    each = f"import sys\nfor each in {destinations}:\n    sys.argv[1] = each\n    exec({one!r})"
    done = run(each, sandbox, tmp_path, "destination")
    assert done.returncode == 0, done.stderr
    for destination in destinations:
        assert f"{destination} clips double ['id'] ['parquet']" in done.stdout
        assert f"{destination} videos double ['campaign_id', 'id'] ['parquet']" in done.stdout
