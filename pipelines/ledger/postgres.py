"""PostgreSQL: where the ledger of several machines is kept, and the locks that they share.

Needs the extra `lake` (SQLAlchemy, psycopg), which is imported on first use. A pooler that hands
out connections by the transaction would lose the locks, which belong to a session.
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
"""How long a lost connection is tried again: a server's restart should not end a sync."""
_CLOCK = "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"
# A machine that vanishes must not keep its locks, nor a server that vanishes its clients.
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
        self._held: list[str] = []
        self._in_transaction = False
        self._connection: Connection | None = None
        self._made: set[str] = set()
        self._connect()
        with self.transaction("schema"):
            # Not merely IF NOT EXISTS, which asks for the right to create even where it is there.
            if not self.execute(
                "SELECT 1 FROM pg_namespace WHERE nspname = :name", {"name": schema}
            ).fetchone():
                self.execute(f'CREATE SCHEMA "{schema}"')

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    def make(self, schema: str) -> None:
        """Create the tables that are not there yet; two who do so at once take turns."""
        if schema not in self._made:
            with self.transaction("schema"):
                self._driver(schema)
            self._made.add(schema)

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        from sqlalchemy import text

        statement = text(sql.replace(":now", _CLOCK))
        return self._trying(lambda connection: connection.execute(statement, dict(values or {})))

    @contextmanager
    def transaction(self, lock: str) -> Iterator[None]:
        """Whoever names the same lock waits until this one is committed."""
        self._trying(lambda connection: connection.exec_driver_sql("BEGIN"))
        self._in_transaction = True
        try:
            self.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))",
                {"name": self._named(lock)},
            )
            yield
            self._driver("COMMIT")
        except BaseException:
            self.rollback()
            raise
        finally:
            self._in_transaction = False

    def rollback(self) -> None:
        self._in_transaction = False
        if self._connection is not None:
            with suppress(Exception):
                self._connection.exec_driver_sql("ROLLBACK")

    def hold(self, name: str) -> None:
        """Show that this process lives: the server drops the lock with the connection."""
        self._held.append(name)
        self._lock("pg_advisory_lock", name)

    def holding(self, name: str) -> str:
        """SQL that is true where nobody holds the lock named by this SQL."""
        prefix = self._named("").replace("'", "''")
        return f"pg_try_advisory_xact_lock_shared(hashtextextended('{prefix}' || {name}, 0))"

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Wait until nobody else is in a part of this name, on any machine; then be in it.

        Over a connection of its own, since another thread may be using the store meanwhile.
        """
        with self._told():
            connection = self._engine.connect()
        try:
            with self._told():
                connection.exec_driver_sql(
                    "SELECT pg_advisory_lock(hashtextextended(%s, 0))",
                    (self._named(f"alone {name}"),),  # no transaction's lock of this name
                )
            yield
        finally:
            connection.close()  # and with it the lock

    def _named(self, lock: str) -> str:
        return f"{self._schema} {lock}"

    def _lock(self, function: str, name: str) -> None:
        self.execute(f"SELECT {function}(hashtextextended(:name, 0))", {"name": self._named(name)})

    def _driver(self, sql: str) -> None:
        self._trying(lambda connection: connection.exec_driver_sql(sql))

    def _connect(self) -> Connection:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.invalidate()
                self._connection.close()
            self._connection = None
        with self._told():
            self._connection = connection = self._engine.connect()
        for name in self._held:
            self._lock("pg_advisory_lock", name)
        return connection

    def _trying(self, work: Any) -> Any:
        """Do it; where the connection is lost, once more over a new one.

        Not inside a transaction, whose first half is lost with the connection. A statement that is
        done twice, since its answer was lost, must say the same twice: all of the ledger's do.
        """
        from sqlalchemy.exc import DBAPIError, PendingRollbackError

        give_up = time.monotonic() + self.patience_seconds
        while True:
            try:
                return work(self._connection or self._connect())
            except (DBAPIError, PendingRollbackError) as error:
                lost = getattr(error, "connection_invalidated", True)
                if not lost or self._in_transaction:
                    raise self._failure(error) from error
                self._drop()
                if time.monotonic() > give_up:
                    raise self._failure(error) from error
            except StoreDown:
                if time.monotonic() > give_up:
                    raise
            time.sleep(0.1)

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
        self._connection = None

    @contextmanager
    def _told(self) -> Iterator[None]:
        from sqlalchemy.exc import DBAPIError

        try:
            yield
        except DBAPIError as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> FixConfiguration | StoreDown:
        return _failure(self.address, error)


def _failure(address: Address, error: BaseException) -> FixConfiguration | StoreDown:
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
        raise _failure(address, error) from error
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
