"""Loading: chunks of fetched rows go into the landing store through dlt, by one thread.

A chunk is the checkpoint. Its rejected records are loaded before its rows, so a kill between the
two repeats a rejection (same key, one row) and never loses one.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from pipelines.disk import chain, is_full
from pipelines.ledger.ledger import Ledger
from pipelines.service import RUNS, SEQ, SERVICES
from pipelines.settings import Lake
from sources.shared.chunks import REJECTED_RECORDS, Chunk
from sources.shared.drift import Drift
from sources.shared.errors import ClipmartError, FixConfiguration
from sources.shared.tables import REMOVED, Row, Table

from .inbox import LANDED_KINDS, Landed, rows_of_events
from .tables import inbox_tables, tables_of

# dlt puts the path into a template and into SQL as it is; DuckDB reads a=b in it as a partition.
_UNFIT = re.compile(r"""[%'"?\\=\x00-\x1f]""")

_DATABASE_ERROR = re.compile(r"[A-Z]\w+ Error: .*")

_DLT_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "SCHEMA__NAMING": "direct",  # the API's own field names
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",  # to distinguish completed loads
    "NORMALIZE__WORKERS": "1",
    "LOAD__WORKERS": "1",  # one writer; DuckDB parallelises by itself
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    "LOAD__TRUNCATE_STAGING_DATASET": "true",  # merge leaves a full copy there otherwise
    "LOAD__AUTO_ABORT_ON_TERMINAL_ERROR": "true",  # a load that can never succeed must not wait
}


BATCH_EVENTS = 20_000
"""Events of the ledger in one package."""
KEEP_PACKAGES = 10
"""How many of dlt's completed packages are saved for each schema, to investigate a fault."""


class LoadFailed(ClipmartError):
    """dlt could not load; the ids whose rows it would have landed are due again.

    Args:
        cause: the error in one line.
        by_data: whether the rows are the cause, so that loading them again would fail again.
    """

    def __init__(self, message: str, cause: str, *, by_data: bool) -> None:
        super().__init__(message)
        self.cause = cause
        self.by_data = by_data


class Loader:
    """dlt pipelines into one landing store, a dataset for each schema. Used by one thread."""

    def __init__(
        self,
        landing: Path | Lake,
        dlt_dir: Path,
        alone: Callable[[str], AbstractContextManager[None]] = lambda part: nullcontext(),
    ) -> None:
        if isinstance(landing, Path) and (unfit := _UNFIT.search(str(landing))):
            raise FixConfiguration(
                f"The path {str(landing.parent)!r} contains {unfit[0]!r}, with which dlt and "
                "DuckDB cannot write. Nothing was requested, nothing was changed. Rename that "
                "folder, or set CLIPMART_DATA_DIR to another."
            )
        os.environ.update(_DLT_SETTINGS, DLT_DATA_DIR=str(dlt_dir))
        self._landing = landing
        self._alone = alone
        self._dlt_dir = dlt_dir
        self._pipelines: dict[str, Any] = {}
        self._connection: Any = None

    def close(self) -> None:
        """Close the connection to a lake; the next load opens another."""
        if self._connection is not None:
            self._connection.close()

    def drain(self) -> dict[str, bool]:
        """Load what an interrupted run left; what cannot be loaded is dropped.

        A run that finds pending packages would load those and skip its own data. Into a lake a
        package lands in one transaction at its end, and cannot be continued: it is due again.

        Returns:
            schema → whether what was left of it could be loaded.
        """
        left = [s for s in (RUNS, *SERVICES) if self.left_behind(s)]
        if isinstance(self._landing, Lake):
            for schema in left:
                self.drop_working_folder(schema)
            return dict.fromkeys(left, False)
        return {schema: self._run(schema, None) for schema in left}

    def left_behind(self, schema: str) -> bool:
        """Whether the working folder may hold an interrupted run's packages; imports no dlt."""
        folder = self._dlt_dir / schema
        return any(
            next((folder / place).glob("*"), None) is not None
            for place in ("normalize/extracted", "load/normalized", "load/new")
        )

    def drop_working_folder(self, schema: str) -> None:
        """Drop dlt's working folder of a schema, with the package that cannot be loaded.

        What was in it is due again. The folder's schema may hold columns that never landed; dlt
        restores it from the landing store.
        """
        self._pipelines.pop(schema, None)
        shutil.rmtree(self._dlt_dir / schema, ignore_errors=True)

    def load(
        self, schema: str, rows: Mapping[Table, list[Row]], drift: Drift | None = None
    ) -> None:
        """Load rows in one package; a table without rows is created empty."""
        self._load_chunk(schema, Chunk(drift or Drift(), dict(rows)))

    def load_arrow(self, schema: str, items: Mapping[Table, Any]) -> None:
        """Load Arrow tables in one package."""

        def at_hand() -> Any:
            from sources.shared.resources import resource

            return [resource(table, item) for table, item in items.items()]

        self._run(schema, at_hand)

    def load_chunk(self, schema: str, chunk: Chunk) -> dict[str, int]:
        """Load a chunk, its rejected records first; returns the number of rows by table."""
        rejected = chunk.of(REJECTED_RECORDS)
        if rejected:
            self.load(RUNS, {REJECTED_RECORDS: rejected})
        if chunk.rows:
            self._load_chunk(schema, chunk)
        return {
            table.name: sum(not row.get(REMOVED) for row in rows)
            for table, rows in chunk.rows.items()
        }

    def _load_chunk(self, schema: str, chunk: Chunk) -> None:
        """Load rows through the resources of the public sources."""

        def from_chunk() -> Any:
            from sources.shared.resources import chunk_resources

            return chunk_resources(chunk)

        self._run(schema, from_chunk)

    def drain_inbox(
        self,
        ledger: Ledger,
        schema: str,
        landed: Landed,
        *,
        create_tables: bool = True,
    ) -> None:
        """Land a service's new events, from a dlt incremental cursor on, merging by key.

        Some at a time, so that memory is bounded, each in a load of its own.

        Args:
            create_tables: also create the service's tables that get no row. An empty table takes
                as long to load as a full one, so this is left out if all of them exist.
        """
        while self._drain_batch(ledger, schema, landed, create_tables) == BATCH_EVENTS:
            create_tables = False

    def _drain_batch(self, ledger: Ledger, schema: str, landed: Landed, create_tables: bool) -> int:
        """Land the next events in one package, so that memory does not grow with their number."""
        import dlt

        from sources.shared.resources import arrow_item, resource, resource_hints

        cursor = dlt.sources.incremental(SEQ, initial_value=0, range_start="open", row_order="asc")
        batch: list[dict[str, Any]] = []

        @dlt.resource(name="inbox", selected=False)
        def events(seq: Any = cursor) -> Iterator[list[dict[str, Any]]]:
            new = ledger.events(schema, seq.last_value or 0, LANDED_KINDS, most=BATCH_EVENTS)
            batch[:] = ({SEQ: event.seq, "event": event} for event in new)
            yield batch

        def rows_of(table: Table) -> Any:
            def rows_of_batch(items: list[dict[str, Any]]) -> Iterator[Any]:
                rows = list(rows_of_events(schema, table, [i["event"] for i in items], landed))
                if rows or create_tables:
                    yield arrow_item(table, rows, Drift())

            return dlt.transformer(rows_of_batch, data_from=events, **resource_hints(table))

        @dlt.source(name=schema, max_table_nesting=0)
        def inbox_source() -> Any:
            of_events = inbox_tables(schema)
            others = [table for table in tables_of(schema) if table not in of_events]
            if not create_tables:
                others = []
            return [
                events,
                *(rows_of(table) for table in of_events),
                *(resource(table, arrow_item(table, [], Drift())) for table in others),
            ]

        self._run(schema, inbox_source)
        return len(batch)

    def _pipeline(self, schema: str) -> Any:
        if schema not in self._pipelines:
            import dlt

            self._pipelines[schema] = dlt.pipeline(
                schema,
                pipelines_dir=str(self._dlt_dir),
                destination=self._destination(),
                dataset_name=schema,
            )
        return self._pipelines[schema]

    def _destination(self) -> Any:
        if isinstance(self._landing, Lake):
            from . import lake_destination

            if self._connection is None:
                self._connection = lake_destination.Connection(self._landing)
            return lake_destination.destination(self._connection)
        from . import destination

        return destination.destination(self._landing)

    def _run(self, schema: str, data: Callable[[], Any] | None) -> bool:
        """Run a pipeline with data, or with what is pending if there is none.

        Its working folder holds nothing that is not also landed, in the ledger or due again. If
        the folder is the cause of a failure, because it is damaged or holds a package that can
        never load, it is dropped and the data is loaded without it.

        Returns:
            Whether nothing had to be dropped.

        Raises:
            LoadFailed: the data cannot be loaded without that folder either.
            TryAgainLater: a lake's server is away.
        """
        try:
            self._load(schema, data)
        except Exception as error:  # a damaged file of dlt can raise anything
            for cause in chain(error):
                if isinstance(cause, ClipmartError | sqlite3.Error):  # the ledger's, not dlt's
                    raise cause from None
            if isinstance(self._landing, Lake):
                self.close()  # with what is staged
                self.drop_working_folder(schema)
                raise self._failed(schema, error) from error
            if self._outside(error) or not (self._dlt_dir / schema).exists():
                raise self._failed(schema, error) from error
            self.drop_working_folder(schema)
            if data is not None:
                try:
                    self._load(schema, data)
                except Exception as again:
                    raise self._failed(schema, again) from again
            return False
        self._remove_old_packages(schema)
        return True

    def _load(self, schema: str, data: Callable[[], Any] | None) -> None:
        """Load; of the machines that share a lake, one at a time does."""
        pipeline = self._pipeline(schema)

        def run() -> None:
            if data is not None:
                pipeline.run(_source(schema, data()), loader_file_format="parquet")
            elif pipeline.has_pending_data:
                pipeline.run()

        # In the main thread dlt handles signals itself, and may lose one.
        with self._alone("landing"), ThreadPoolExecutor(1, "dlt") as thread:
            thread.submit(run).result()

    def _outside(self, error: BaseException) -> bool:
        """Whether the cause is outside dlt's folder: the disk or the landing store."""
        import duckdb

        *_, root = chain(error)
        broken = isinstance(root, duckdb.IOException) and "parquet" not in str(root).lower()
        return broken or is_full(error, self._dlt_dir.parent)

    def _failed(self, schema: str, error: BaseException) -> ClipmartError:
        *_, root = chain(error)
        if isinstance(self._landing, Lake):
            from pipelines.warehouse.lake import is_away, unusable

            for cause in chain(error):
                if is_away(cause):
                    return unusable(self._landing, cause)
        # dlt puts the database's message into a traceback, after the names of its jobs.
        message = _DATABASE_ERROR.search(str(root))
        text = message[0] if message else str(root)
        first = text.partition("\n")[0][:200] or type(root).__name__
        if is_full(error, self._dlt_dir.parent):
            remedy = f"The disk of {self._dlt_dir.parent} is full: make room, then run"
        elif isinstance(self._landing, Lake):
            from pipelines.warehouse.lake import redacted

            first = redacted(self._landing, first)
            remedy = "Once the cause is fixed, run"
        else:
            remedy = "Run `clipmart recover`, which checks the landing store and repairs it, then"
        return LoadFailed(
            f"Loading into the schema {schema} failed: {first}. What was loaded before stays; what "
            f"was not is due again. {remedy} `clipmart sync`.",
            first,
            by_data=_by_data(error) and not is_full(error, self._dlt_dir.parent),
        )

    def _remove_old_packages(self, schema: str) -> None:
        """Remove what dlt saves of old loads: 80 KB each, gigabytes a year."""
        loaded = self._dlt_dir / schema / "load" / "loaded"
        for package in sorted(loaded.glob("*"))[:-KEEP_PACKAGES]:
            shutil.rmtree(package, ignore_errors=True)


def _source(schema: str, data: Any) -> Any:
    """These resources as one source whose schema has the pipeline's name."""
    import dlt
    from dlt.extract import DltSource

    if isinstance(data, DltSource):
        return data

    @dlt.source(name=schema, max_table_nesting=0)
    def rows_at_hand() -> Any:
        return data

    return rows_at_hand()


def _by_data(error: BaseException) -> bool:
    """Whether a load failed because of its rows, not of disk, memory, a lock or the network."""
    import duckdb
    from dlt.common.destination.exceptions import DestinationTransientException

    elsewhere = (
        OSError,
        MemoryError,
        duckdb.IOException,
        duckdb.ConnectionException,
        duckdb.OutOfMemoryException,
        DestinationTransientException,
    )
    return not any(isinstance(cause, elsewhere) for cause in chain(error))
