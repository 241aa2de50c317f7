"""The SQL models as DuckDB statements, as SQLMesh has made them of the project in `sql/`.

They depend on that project alone, so they are kept beside it, in `sql/compiled.json`: what a build
needs of SQLMesh takes it three seconds, and executing its outcome none. `make models` writes the
file; where a model was edited since, SQLMesh is asked at once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sources.shared.errors import ClipmartError

SQL = Path(__file__).resolve().parents[2] / "sql"
COMPILED = SQL / "compiled.json"


class BuildFailed(ClipmartError):
    """The models could not be read, or not be built from what is landed."""


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


def project(scrap: Path) -> Project:
    """The project in `sql/` as it is now.

    Args:
        scrap: where SQLMesh may put what it needs for a moment; the system's own folder for such
            where it does not exist.

    Raises:
        BuildFailed: a model was edited into what SQLMesh cannot read, or what no build makes.
    """
    made_from = digest()
    if made_from not in _known:
        made = _kept(made_from)
        if made is None:
            from .compiler import compile_project  # SQLMesh takes seconds to import

            made = compile_project(scrap)
        _known[made_from] = made
    return _known[made_from]


_known: dict[str, Project] = {}


def _kept(made_from: str) -> Project | None:
    try:
        kept = json.loads(COMPILED.read_text("utf-8"))
        return _read(kept) if kept["made_from"] == made_from else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent, half of a merge, or an earlier version's


def write(made: Project) -> None:
    part = COMPILED.with_suffix(".part")
    part.write_text(json.dumps(asdict(made), ensure_ascii=False, indent=1) + "\n", "utf-8")
    part.replace(COMPILED)


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
