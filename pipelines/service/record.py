"""What the pipelines need to know of a service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from sources.shared.chunks import ApiTables, Read
from sources.shared.slots import Bucket
from sources.shared.tables import Row, Table

if TYPE_CHECKING:
    from sources.shared.due import Due
    from sources.shared.fetch import Client
    from sources.shared.http import Api, Watch

    class ServiceClient(Client, Protocol):
        """What the pipelines do with a service's API."""

        account: Row | None
        """What the API last reported of the account, as a row of `api.account`."""

        async def poll(self, id_: str, watch: Watch = ..., /) -> Read:
            """The record alone."""

        async def read_account(self, path: str, /) -> Row | None:
            """Request the account; None if it is not reported."""

        async def submit(
            self,
            fields: Mapping[str, Any],
            file: tuple[str, IO[bytes]] | None = ...,
            *,
            advice: Mapping[int, str],
            before: Callable[[], None] = ...,
        ) -> Row:
            """Submit once; the ids of the answer by their columns in `submissions`."""


SEQ = "_clipmart_seq"
"""Column of the number of a row's event; it says how far the inbox has landed. Not published."""


@dataclass(frozen=True, eq=False)
class Service:
    """One service: its words, its tables, its API, and the queries that only it needs."""

    name: str
    """As a command's argument and as the landing schema."""
    thing: str
    """What one of its ids names, such as job."""
    id_name: str
    """The column of its ids, such as job_id."""
    url_name: str
    """The column of what was submitted."""
    api: ApiTables
    """The tables that its API fills."""
    submissions: Table
    """Known ids and submissions: the ledger fills it."""
    base_url: str
    finished: frozenset[str]
    """Statuses of a record that is done."""
    failed: frozenset[str]
    client: Callable[[Api, Callable[[], datetime]], ServiceClient]
    """Imports the client when it is called."""
    requests_needed: Callable[[str, Iterable[Due]], dict[Bucket, int]]
    """(key, due ids) → requests that each limit is to count."""
    worklist: Path
    """The query of its ids' state: id and the columns that sync/due.sql reads."""
    csv: Mapping[str, str]
    """What a CSV's columns may be called → the field; of two for one field the first counts."""
    subject: str = ""
    """What a `thing` is about, in a sentence for people; empty: the thing itself."""
    events: tuple[Table, ...] = ()
    """Further tables that the ledger's events fill."""
    id_pattern: str | None = None
    """How its ids look, to name the right service for a foreign one."""
    account_path: str | None = None
    """The path of the account; None if every answer reports it."""
    account_missing: str = ""
    """What to say if the account is not reported."""
    sending: str = "sending, and waiting for the answer"
    """What is happening while a submission waits, for a progress line."""
    submit_advice: Mapping[int, str] = field(default_factory=dict)
    """Status of a refused submission → what to do."""
    longest_wait_seconds: float = 24 * 3600.0
    """After so long an unfinished record counts as stuck."""
    progress: Callable[[Read], str] = lambda read: ""
    """What else a polled record says of its progress."""
    unclaimed: str | None = None
    """The query of records that no submission became: id, url, created_at."""
    ties_by_url: bool = False
    """Whether its records report the URL that was submitted."""
    failures: str | None = None
    """The query of its records: id, name, reason, outcome, began_at."""
    progress_view: str | None = None
    """The view that has `settled` and `stuck` of every id."""
    progress_report: str | None = None

    @property
    def title(self) -> str:
        """As people write it."""
        return self.name.capitalize()

    @property
    def things(self) -> str:
        """`thing` in the plural."""
        return f"{self.thing}s"

    @property
    def children_read(self) -> Table:
        """The table whose rows say when a record's children were read last."""
        return self.api.reads or self.api.records

    @property
    def key_variable(self) -> str:
        """The setting that holds its API key."""
        return f"{self.name.upper()}_API_KEY"

    @property
    def address_variable(self) -> str:
        """The setting that holds its API's address, if it is not `base_url`."""
        return f"{self.name.upper()}_BASE_URL"

    @property
    def account_variable(self) -> str:
        """The setting that holds the path of the account, if that is another."""
        return f"{self.name.upper()}_ACCOUNT_PATH"

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table of its landing schema."""
        return tuple(dict.fromkeys((*self.api.all, self.submissions, *self.events)))

    @property
    def endpoints(self) -> list[str]:
        """The tables that the rejection of a whole id may name: one for each request."""
        children = [self.api.children.name] if self.api.reads else []
        return [self.api.records.name, *children]
