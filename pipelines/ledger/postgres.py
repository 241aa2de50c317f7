"""PostgreSQL: the ledger of several machines, and the locks that they share.

Needs the extra `lake` (SQLAlchemy, psycopg), which is imported on first use. A pooler that assigns
connections by the transaction would lose the locks, which belong to a session.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pipelines.settings import Address
from sources.shared.errors import FixConfiguration
from sources.shared.slots import StoreDown

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

PATIENCE_SECONDS = 30.0
"""How long to retry after a lost connection: a server's restart should not end a sync."""
_CLOCK = "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"
# A machine that vanishes must lose its locks, and a server that vanishes its clients.
_CONNECT = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "clipmart",
}
_SERVER = {
    "synchronous_commit": "on",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "default_transaction_isolation": r"read\ committed",
}
_MISCONFIGURED = (
    *("authentication failed", "does not exist", "no pg_hba.conf", "permission denied"),
    *("Name or service not known", "failed to resolve host", "SSL", "certificate", "no password"),
)
_MAY_WRITE = """
SELECT bool_or(has_table_privilege(pg_class.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
FROM pg_class
INNER JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema')
"""


class PostgresStore:
    """A schema of a PostgreSQL database, over one connection; its clock is the server's.

    Raises:
        FixConfiguration: the address, its user or its rights cannot be used; the extra is absent.
        StoreDown: the server cannot be reached.
    """

    def __init__(self, address: Address, schema: str) -> None:
        self.address = address
        self.patience_seconds = PATIENCE_SECONDS
        self._schema = schema
        self._engine = _engine(address, schema)
        self._session_locks: list[str] = []
        self._in_transaction = False
        self._connection: Connection | None = None
        self._created: set[str] = set()
        self._connect()
        with self.transaction("schema"):
            # Not merely IF NOT EXISTS, which needs the right to create even if the schema exists.
            if not self.execute(
                "SELECT 1 FROM pg_namespace WHERE nspname = :name", {"name": schema}
            ).fetchone():
                self.execute(f'CREATE SCHEMA "{schema}"')

    def close(self) -> None:
        """Close the connection; the server then drops its locks."""
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    def make(self, schema: str) -> None:
        """Create the tables that do not exist yet; two processes at once take turns."""
        if schema not in self._created:
            with self.transaction("schema"):
                self._execute_raw(schema)
            self._created.add(schema)

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """Execute a statement with `:name` parameters; `:now` is the server's clock (epoch s)."""
        from sqlalchemy import text

        statement = text(sql.replace(":now", _CLOCK))
        return self._with_retry(
            lambda connection: connection.execute(statement, dict(values or {}))
        )

    @contextmanager
    def transaction(self, lock: str) -> Iterator[None]:
        """A transaction; another one that names the same lock waits until this one has ended."""
        self._execute_raw("BEGIN")
        self._in_transaction = True
        try:
            self.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))",
                {"name": self._named(lock)},
            )
            yield
            self._execute_raw("COMMIT")
        except BaseException:
            self.rollback()
            raise
        finally:
            self._in_transaction = False

    def rollback(self) -> None:
        """Undo what the open transaction did, if there is one."""
        self._in_transaction = False
        if self._connection is not None:
            with suppress(Exception):
                self._connection.exec_driver_sql("ROLLBACK")

    def hold(self, name: str) -> None:
        """Hold a lock for as long as this process lives: the server drops it with the session."""
        self._session_locks.append(name)
        self._lock(name)

    def lock_is_free(self, name: str) -> str:
        """SQL that is true if nobody holds the lock whose name this SQL gives."""
        prefix = self._named("").replace("'", "''")
        return f"pg_try_advisory_xact_lock_shared(hashtextextended('{prefix}' || {name}, 0))"

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Wait until no process on any machine is in the part of this name, then enter it.

        Over a connection of its own, because another thread may use the store meanwhile.
        """
        with self._errors_explained():
            connection = self._engine.connect()
        try:
            with self._errors_explained():
                connection.exec_driver_sql(
                    "SELECT pg_advisory_lock(hashtextextended(%s, 0))",
                    (self._named(f"alone {name}"),),  # not a transaction's lock of this name
                )
            yield
        finally:
            connection.close()  # and with it the lock

    def _named(self, lock: str) -> str:
        return f"{self._schema} {lock}"

    def _lock(self, name: str) -> None:
        self.execute(
            "SELECT pg_advisory_lock(hashtextextended(:name, 0))", {"name": self._named(name)}
        )

    def _execute_raw(self, sql: str) -> None:
        self._with_retry(lambda connection: connection.exec_driver_sql(sql))

    def _connect(self) -> Connection:
        with self._errors_explained():
            self._connection = connection = self._engine.connect()
        for name in self._session_locks:
            self._lock(name)
        return connection

    def _with_retry(self, work: Any) -> Any:
        """Do work over the connection; if that is lost, again over a new one.

        Not inside a transaction, whose first half is lost with the connection. A statement is
        repeated if its answer was lost, so it must be idempotent: all of the ledger's are.
        """
        from sqlalchemy.exc import DBAPIError, PendingRollbackError

        give_up = time.monotonic() + self.patience_seconds
        while True:
            try:
                return work(self._connection or self._connect())
            except (DBAPIError, PendingRollbackError) as error:
                lost = getattr(error, "connection_invalidated", True)
                if not lost or self._in_transaction:
                    raise _database_error(self.address, error) from error
                self._drop_connection()
                if time.monotonic() > give_up:
                    raise _database_error(self.address, error) from error
            except StoreDown:
                if time.monotonic() > give_up:
                    raise
            time.sleep(0.1)

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
        self._connection = None

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        from sqlalchemy.exc import DBAPIError

        try:
            yield
        except DBAPIError as error:
            raise _database_error(self.address, error) from error


def _database_error(address: Address, error: BaseException) -> FixConfiguration | StoreDown:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines() or [""]
    message = f"{address} cannot be used: {cause[0][:200]}. What was loaded before stays."
    if any(sign in " ".join(cause) for sign in _MISCONFIGURED):
        return FixConfiguration(f"{message} Fix {address.variable} or the database's rights.")
    return StoreDown(f"{message} Once the server answers, run the command again.")


def may_write(address: Address) -> bool:
    """Whether the address's user may change any table of its database.

    Raises:
        FixConfiguration, StoreDown: as `PostgresStore`.
    """
    store = _engine(address, "public")
    try:
        with store.connect() as connection:
            return bool(connection.exec_driver_sql(_MAY_WRITE).scalar())
    except Exception as error:
        raise _database_error(address, error) from error
    finally:
        store.dispose()


def _engine(address: Address, schema: str) -> Engine:
    try:
        import psycopg  # noqa: F401 - SQLAlchemy would import it later, and fail less clearly
        from sqlalchemy import create_engine, make_url
        from sqlalchemy.pool import NullPool
    except ImportError as error:
        raise FixConfiguration(
            f"{address.variable} names a PostgreSQL database, but {error.name} is not installed. "
            "Nothing was done. Install the extra: `pip install 'clipmart[lake]'`."
        ) from error
    server = {**_SERVER, "search_path": schema}
    return create_engine(
        make_url(address.url).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={
            **_CONNECT,
            "options": " ".join(f"-c {name}={value}" for name, value in server.items()),
        },
    )
