"""The landing store as a sync uses it: what has landed, and what it still lacks.

One process at a time opens `landing.duckdb`; dlt opens it too while this connection is open, with
the same configuration, as DuckDB requires.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.disk import disk_full, is_full
from pipelines.ledger.formats import refuse_newer
from pipelines.ledger.ledger import processes_with_lock
from pipelines.service import RUNS, SEQ, SERVICES
from pipelines.settings import Lake, Settings
from pipelines.warehouse.catalog import create_database
from sources.shared.chunks import ApiTables, Read, Seen
from sources.shared.drift import MAX_UNDOCUMENTED, PRIVATE, Drift, data_type
from sources.shared.errors import ClipmartError, FixConfiguration, TryAgainLater
from sources.shared.tables import Row, Table

from .inbox import WEBHOOKS
from .tables import SYNC_RUNS

WAIT_SECONDS = 10.0
STATES = 50
"""Of dlt's cursor that are saved, at most twice as many."""
MARK = "store.format"
"""The table of a landing file that says which version's columns it has."""
_NEVER = datetime.min.replace(tzinfo=UTC)


def duckdb_error(settings: Settings, error: Exception) -> ClipmartError:
    """The message for an error of DuckDB that nothing else has handled."""
    if settings.lake is not None:
        from pipelines.warehouse.lake import unusable

        return unusable(settings.lake, error)
    if is_full(error, settings.data_dir):
        return disk_full(settings.landing)
    if "disabled by configuration" in str(error):
        return FixConfiguration(
            f"{settings.warehouse} holds a view or macro that reads other files, which clipmart "
            f"did not write ({str(error).partition(chr(10))[0]}). It was not run. Get the file "
            "again from its sender; `clipmart publish` builds your own file again."
        )
    return FixConfiguration(
        f"DuckDB cannot continue: {str(error).partition(chr(10))[0]}. What was loaded before "
        f"stays. Run `clipmart recover`: it checks {settings.landing} and repairs it. Then "
        "`clipmart publish` builds the published file again."
    )


class Landing:
    """An open landing store: a file, or a lake.

    Raises:
        TryAgainLater: another program holds the file.
        FixConfiguration: it is damaged, or of a newer DuckDB or clipmart.
    """

    def __init__(self, place: Path | Lake, max_columns: int | None = None) -> None:
        self.max_columns = MAX_UNDOCUMENTED if max_columns is None else max_columns
        """Most undocumented columns of a table."""
        self.shared = isinstance(place, Lake)
        """Whether other machines write to it too."""
        self._place = place
        self._at_once = False
        self.open()

    def open(self) -> None:
        """Open it again after `close`; raises as the class."""
        self._existing: dict[str, set[str]] = {}
        """Tables of each schema that were there; none is dropped."""
        if isinstance(self._place, Lake):
            from pipelines.warehouse.lake import open_lake

            self.connection = open_lake(self._place, landing=True)
            return
        path = self._place
        give_up = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                if not path.exists():
                    create_database(path)
                self.connection = duckdb.connect(str(path))
                break
            except duckdb.IOException as error:
                if "set lock" not in str(error):
                    raise _landing_unusable_error(path, error) from error
                if time.monotonic() > give_up:
                    raise TryAgainLater(
                        f"{processes_with_lock(path) or 'Another program'} holds {path} open. "
                        "Nothing was changed. Close it (read warehouse.duckdb instead), then run "
                        "`clipmart sync` again."
                    ) from error
                time.sleep(0.2)
            except duckdb.Error as error:
                raise _landing_unusable_error(path, error) from error
        try:
            refuse_newer(path, self.mark()[0])
        except FixConfiguration:
            self.close()
            raise
        path.chmod(0o600)
        self.connection.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        """Close the connection; `open` opens it again."""
        self.connection.close()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Read as of one moment, which to a lake is one transaction of its catalog."""
        if not self.shared or self._at_once:
            yield
            return
        self._at_once = True
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            self._at_once = False
            with suppress(duckdb.Error):
                self.connection.execute("ROLLBACK")

    def mark(self) -> tuple[int, str]:
        """The format of a landing file, and a digest of the columns that it was given."""
        return format_mark(self.connection)

    def has_tables(self, schema: str, tables: Iterable[Table]) -> bool:
        """Whether all of these tables exist, and a load into their schema was recorded."""
        wanted = {table.name for table in tables} | {"_dlt_loads"}
        existing = self._existing.setdefault(schema, set())
        if not existing >= wanted:
            # Not from duckdb_tables(), for which a lake reads the statistics of every table.
            sql = "SELECT DISTINCT table_name FROM duckdb_columns() WHERE schema_name = $s"
            existing.update(t for (t,) in self.connection.execute(bound(sql, s=schema)).fetchall())
        return existing >= wanted

    def drift(self, schema: str, tables: Iterable[Table]) -> Drift:
        """The undocumented columns landed so far, with their types."""
        documented = {table.name: table for table in tables}
        drift = Drift(max_columns=self.max_columns)
        columns = bound(
            """SELECT table_name, column_name, data_type FROM duckdb_columns()
               WHERE schema_name = $schema""",
            schema=schema,
        )
        for table_name, column, duckdb_type in self.connection.execute(columns).fetchall():
            table = documented.get(table_name)
            if table is None or column in table.columns or column.startswith(PRIVATE):
                continue
            drift.columns(table)[column] = data_type(duckdb_type)
        return drift

    def submissions(self, service: str, subjects: Iterable[str]) -> list[Row]:
        """Landed submissions whose id or submission_id is among these."""
        wanted = list(subjects)
        table = SERVICES[service].submissions
        if not wanted or not self.has_tables(service, [table]):
            return []
        cursor = self.connection.execute(
            f"""SELECT * FROM {service}.submissions
                WHERE submission_id IN (SELECT unnest($wanted))
                   OR {SERVICES[service].id_name} IN (SELECT unnest($wanted))""",
            {"wanted": wanted},
        )
        names = [column[0] for column in cursor.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return [{name: row.get(name) for name in table.columns} for row in rows]

    def received(self, service: str, event_ids: Iterable[str]) -> dict[str, datetime]:
        """The webhook events among these that have landed, and when each was first received."""
        wanted = list(event_ids)
        tables = [table for table in SERVICES[service].events if table.name == WEBHOOKS]
        if not wanted or not self.has_tables(service, tables):
            return {}
        rows = self.connection.execute(
            f"""SELECT event_id, received_at FROM {service}.{WEBHOOKS}
                WHERE event_id IN (SELECT unnest($wanted))""",
            {"wanted": wanted},
        ).fetchall()
        return dict(rows)

    def remove_old_states(self, schema: str) -> None:
        """Remove states of dlt's cursor that later ones have replaced; each drain adds one.

        dlt reads the one of the latest completed load. A lake is left to its housekeeping.
        """
        if self.shared:
            return
        states = f"{schema}._dlt_pipeline_state"
        self.connection.execute(
            f"""DELETE FROM {states} WHERE (SELECT count(*) FROM {states}) > {2 * STATES}
                AND _dlt_load_id < (
                  SELECT min(load_id) FROM (
                    SELECT load_id FROM {schema}._dlt_loads
                    WHERE status = 0 AND load_id IN (SELECT _dlt_load_id FROM {states})
                    ORDER BY load_id DESC LIMIT {STATES}))"""
        )

    def drained_up_to(self, service: str, tables: Iterable[str]) -> int:
        """The number of the latest event that landed in a completed load; 0 if none did."""
        newest_of_each = " UNION ALL ".join(
            f"""SELECT max({SEQ}) AS seq FROM {service}.{table} AS t
                SEMI JOIN {service}._dlt_loads AS l
                  ON l.load_id = t._dlt_load_id AND l.status = 0"""
            for table in tables
        )
        (newest,) = self.connection.execute(
            f"SELECT max(seq) FROM ({newest_of_each})"
        ).fetchone() or (None,)
        return newest or 0

    def _last_status(
        self,
        api: ApiTables,
        table: Table,
        ids: list[str],
        id_columns: tuple[str, ...],
        until: datetime,
    ) -> Any:
        """id, or tuple of ids → status last observed.

        Args:
            until: later rows were stamped by a wrong clock and are ignored.
        """
        if not ids:
            return {}
        keys = ", ".join(id_columns)
        sql = f"""SELECT {keys}, arg_max(status, observed_at) FROM {api.source}.{table.name}
                  WHERE {id_columns[0]} IN (SELECT unnest($ids)) AND observed_at <= $until
                  GROUP BY {keys}"""
        rows = self.connection.execute(bound(sql, ids=ids, until=until)).fetchall()
        if len(id_columns) == 1:
            return dict(rows)
        return {tuple(row[:-1]): row[-1] for row in rows}

    def seen(self, api: ApiTables, reads: list[Read]) -> Seen:
        """What has landed of a chunk's ids: their statuses, and the parents of their children."""
        ids = [read.id for read in reads]
        until = max((read.observed_at for read in reads), default=_NEVER)
        status = self._last_status(api, api.observations, ids, (api.parent,), until)
        child_status = {}
        if api.child_observations:
            keys = (api.parent, api.child_id)
            child_status = self._last_status(api, api.child_observations, ids, keys, until)
        parents = {}
        children = [child["id"] for read in reads for child in read.children or []]
        if children and api.parent not in api.children.key:
            sql = f"""SELECT id, {api.parent} FROM {api.source}.{api.children.name}
                      WHERE id IN (SELECT unnest($ids))"""
            parents = dict(self.connection.execute(bound(sql, ids=children)).fetchall())
        return Seen(status, child_status, parents)

    def last_run(self, until: datetime) -> datetime | None:
        """When the latest landed run finished (UTC), up to an instant; None without one."""
        if not self.has_tables(RUNS, [SYNC_RUNS]):
            return None
        sql = "SELECT max(finished_at) FROM clipmart.sync_runs WHERE finished_at <= $until"
        row = self.connection.execute(bound(sql, until=until)).fetchone()
        return row[0].astimezone(UTC) if row and row[0] else None

    def latest(
        self, table: str, columns: tuple[str, ...], until: datetime, where: str = "true"
    ) -> Row | None:
        """The row with the latest observed_at up to an instant; None without one."""
        sql = f"""SELECT {", ".join(columns)} FROM {table}
                  WHERE {where} AND observed_at <= $until ORDER BY observed_at DESC LIMIT 1"""
        row = self.connection.execute(bound(sql, until=until)).fetchone()
        return None if row is None else dict(zip(columns, row, strict=True))


def format_mark(con: duckdb.DuckDBPyConnection, table: str = MARK) -> tuple[int, str]:
    """The mark of a landing file that is open or attached; (0, "") if it has none."""
    try:
        number, declared = con.execute(f"FROM {table}").fetchone() or (0, "")
    except duckdb.CatalogException:
        return 0, ""
    return number, declared


def _landing_unusable_error(path: Path, error: Exception) -> FixConfiguration:
    first = str(error).splitlines()[0][:200]
    return FixConfiguration(
        f"{path} cannot be opened ({first}). The published file is unchanged. Run "
        "`clipmart recover`: it rebuilds the landing store from all that can still be read."
    )


def bound(sql: str, **values: str | datetime | Iterable[str | datetime]) -> str:
    """The statement with its $names as literals.

    The first bound parameter makes DuckDB import pandas and pyarrow: half a second, which a sync
    with nothing to do can save.
    """
    return re.sub(r"\$(\w+)", lambda name: _literal(values[name[1]]), sql)


def _literal(value: str | datetime | Iterable[str | datetime]) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, datetime):
        return f"TIMESTAMPTZ '{value.isoformat()}'"
    return "[" + ", ".join(_literal(item) for item in value) + "]"
