"""The SQL models as DuckDB statements, as SQLMesh has made them of the project in `sql/`.

They depend on that project alone, so they are kept beside it, in `sql/compiled.json`: what a build
needs of SQLMesh takes it three seconds, and executing its outcome none. `make models` writes the
file; where a model was edited since, SQLMesh is asked at once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

SQL = Path(__file__).resolve().parent.parent / "sql"
COMPILED = SQL / "compiled.json"


@dataclass(frozen=True)
class Relation:
    """What is declared of one landing table or model."""

    types: dict[str, str]  # DuckDB types by column, in order
    description: str
    notes: dict[str, str]  # what each column means
    key: tuple[str, ...] = ()  # the columns that tell one row from another
    reads: tuple[str, ...] = ()  # what a model is made from, by schema.name


@dataclass(frozen=True)
class Audit:
    """A question whose answer has no row, where all is well. It blocks publishing."""

    name: str
    rows: str


@dataclass(frozen=True)
class Model:
    """A view or table, and what is checked of it. Tables are named without a database."""

    name: str  # schema.name
    kind: str  # VIEW or TABLE
    query: str
    audits: tuple[Audit, ...]


@dataclass(frozen=True)
class Project:
    """Every model, after those it reads from; every landing table and model by its name."""

    made_from: str
    models: tuple[Model, ...]
    relations: dict[str, Relation]


@cache
def project() -> Project:
    """The project in `sql/` as it is now.

    Raises:
        BuildFailed: a model was edited into what SQLMesh cannot read.
    """
    if COMPILED.exists():
        kept = _read(json.loads(COMPILED.read_text("utf-8")))
        if kept.made_from == digest():
            return kept
    from .compiler import compile_project

    return compile_project()


def write(made: Project) -> None:
    COMPILED.write_text(json.dumps(asdict(made), ensure_ascii=False, indent=1) + "\n", "utf-8")


def digest() -> str:
    """Twelve digits that change with whatever of `sql/` decides what is built."""
    files = [*(SQL / "models").rglob("*.sql"), *(SQL / "audits").rglob("*.sql")]
    found = hashlib.sha256()
    for path in sorted([*files, SQL / "config.yaml", SQL / "external_models.yaml"]):
        found.update(str(path.relative_to(SQL).as_posix()).encode() + path.read_bytes())
    return found.hexdigest()[:12]


def _read(kept: dict[str, Any]) -> Project:
    return Project(
        kept["made_from"],
        tuple(
            Model(m["name"], m["kind"], m["query"], tuple(Audit(**a) for a in m["audits"]))
            for m in kept["models"]
        ),
        {table: _relation(**relation) for table, relation in kept["relations"].items()},
    )


def _relation(key: list[str], reads: list[str], **declared: Any) -> Relation:
    return Relation(key=tuple(key), reads=tuple(reads), **declared)
