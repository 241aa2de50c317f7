"""Every table and column that clipmart publishes, as the published file itself describes them.

What no file holds (the key, what a model is built from, its query) comes from the SQL project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from pipelines.settings import Settings
from pipelines.warehouse import compiled
from pipelines.warehouse.build import UNDOCUMENTED_COLUMN, UNDOCUMENTED_TABLE, build
from pipelines.warehouse.catalog import Described, described
from pipelines.warehouse.compiler import project
from pipelines.warehouse.read import attach

# The first that fits a number's name is its unit; other whole numbers are counts. Text has none.
_UNITS = (
    (r"per_minute$", "requests a minute"),
    (r"^credits_per_job$", "credits a job"),
    (r"^credits_per_clip", "credits a clip"),
    (r"^burn_7d$", "credits a day"),
    (r"^days_left$", "days"),
    (r"credits|balance", "credits"),
    (r"seconds$", "seconds"),
    (r"minutes$", "minutes"),
    (r"(^|_)hours_", "hours"),
    (r"score$|_show_median$|^(lift|lead|standard_error)$", "points"),
    (r"^share_of_|^(readiness|failed_share|position)$", "0 to 1"),
    (r"^rank$", "place"),
    (r"^exit_code$", "code"),
    (r"^(value|before|change)$", "as its metric"),
)


@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type, and what it means."""

    name: str
    type: str
    note: str

    @property
    def unit(self) -> str:
        """What a value counts or measures; empty if it is no quantity."""
        if self.type == "TIMESTAMPTZ":
            return "UTC instant"
        if self.type == "DATE":
            return "UTC day"
        if self.type not in ("BIGINT", "DOUBLE") or self.note == UNDOCUMENTED_COLUMN:
            return ""
        for pattern, unit in _UNITS:
            if re.search(pattern, self.name):
                return unit
        return "count" if self.type == "BIGINT" else ""


@dataclass(frozen=True)
class Relation:
    """A landing table or a model, by `schema.name`."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    reads: tuple[str, ...] = ()
    """What it is built from, by name."""
    sql: str = ""
    """The model's query; empty of a landing table."""

    @property
    def schema(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]

    @property
    def table(self) -> str:
        """The name within its schema."""
        return self.name.partition(".")[2]


def relations(settings: Settings) -> dict[str, Relation]:
    """Everything in the published file; before there is one, everything that it will hold.

    Raises:
        TryAgainLater, FixConfiguration: the published file is there and cannot be opened.
    """
    declared = {relation.name: relation for relation in project(settings.build_dir).relations}
    with _published(settings) as con:
        in_file = described(con)
    order = [*(name for name in declared if name in in_file), *(in_file.keys() - declared.keys())]
    return {
        name: Relation(
            name,
            in_file[name].comment or UNDOCUMENTED_TABLE,
            declared[name].grain if name in declared else (),
            _columns(in_file[name]),
            tuple(r for r in declared[name].reads if r in in_file) if name in declared else (),
            _query(name),
        )
        for name in order
    }


@contextmanager
def _published(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with TemporaryDirectory(prefix="clipmart-") as folder:
        file = settings.warehouse
        if not file.exists():
            file = Path(folder, "empty.duckdb")
            build(None, file)
        with attach(file) as con:
            yield con


def _query(name: str) -> str:
    """A model's query as it is written, comments included; empty of a landing table."""
    path = compiled.SQL / "models" / f"{name.replace('.', '/', 1)}.sql"
    return path.read_text("utf-8").partition("\n);\n")[2].strip() if path.exists() else ""


def _columns(relation: Described) -> tuple[Column, ...]:
    return tuple(
        # A type as one writes it: DuckDB's own name, but for the long one.
        Column(
            name,
            kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"),
            relation.notes[name] or UNDOCUMENTED_COLUMN,
        )
        for name, kind in relation.types.items()
    )
