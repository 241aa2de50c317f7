"""The SQL project in `sql/` as DuckDB statements: what `make models` writes into `sql/compiled/`.

One file a landing table or model: how to create it, its comments, and its audits. A build executes
them and needs no SQLMesh; `sql/compiled/fingerprint` says which state of the project they are of.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from pipelines.service import LANDING_SCHEMAS

SQL = Path(__file__).resolve().parents[2] / "sql"


@dataclass(frozen=True)
class Audit:
    """A query that returns no row if all is well. Any row blocks publishing."""

    name: str
    query: str


@dataclass(frozen=True)
class Relation:
    """A landing table, or a model: a view or table built from others."""

    name: str  # schema.name
    create: str
    comments: tuple[str, ...]  # statements: the relation's own, then one a column
    grain: tuple[str, ...]  # the columns that identify a row
    reads: tuple[str, ...]  # what it is built from, by schema.name
    audits: tuple[Audit, ...]

    @property
    def schema(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]

    @property
    def is_view(self) -> bool:
        """Whether it is a view, which holds no rows of its own."""
        return self.create.startswith("CREATE VIEW")


@dataclass(frozen=True)
class Project:
    """The landing tables as declared, and the models, each after those it reads from."""

    landing: tuple[Relation, ...]
    models: tuple[Relation, ...]

    @property
    def relations(self) -> tuple[Relation, ...]:
        """All of them, in an order in which they can be created."""
        return self.landing + self.models


def parsed(files: Mapping[str, str]) -> Project:
    """The project that the files are of, by their paths in `sql/compiled/`."""
    relations = {relation.name: relation for relation in map(_relation, files, files.values())}
    order = TopologicalSorter({name: relations[name].reads for name in sorted(relations)})
    in_order = [relations[name] for name in order.static_order()]
    return Project(
        landing=tuple(r for r in relations.values() if r.schema in LANDING_SCHEMAS),
        models=tuple(r for r in in_order if r.schema not in LANDING_SCHEMAS),
    )


def _relation(path: str, file: str) -> Relation:
    schema, name = Path(path).with_suffix("").parts
    create, *audits = re.split(r"^-- audit: (.+)\n", file, flags=re.M)
    create, *comments = re.split(r"^(?=COMMENT ON )", create, flags=re.M)
    heading = dict(re.findall(r"^-- (grain|reads): (.+)\n", create, flags=re.M))
    return Relation(
        name=f"{schema}.{name}",
        create=re.sub(r"^-- .+\n", "", create, flags=re.M).strip(),
        comments=tuple(comment.strip() for comment in comments),
        grain=tuple(heading["grain"].split(", ")) if "grain" in heading else (),
        reads=tuple(heading["reads"].split(", ")) if "reads" in heading else (),
        audits=tuple(map(Audit, audits[::2], (query.strip(" \n;") for query in audits[1::2]))),
    )


def saved() -> dict[str, str] | None:
    """The files in `sql/compiled/` by their paths; None if they are not of the project as it is.

    A model may have been edited since, a file of theirs too, or a merge may have left half of each.
    """
    try:
        expected = (SQL / "compiled/fingerprint").read_text("utf-8")
        files = {
            path.relative_to(SQL / "compiled").as_posix(): path.read_text("utf-8")
            for path in sorted((SQL / "compiled").glob("*/*.sql"))
        }
    except (OSError, ValueError):
        return None
    return files if expected == _fingerprint(files) else None


def save(files: Mapping[str, str]) -> None:
    """Replace `sql/compiled/`; the fingerprint last, so that half of it is not taken for whole."""
    shutil.rmtree(SQL / "compiled", ignore_errors=True)
    for path, text in files.items():
        file = SQL / "compiled" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    (SQL / "compiled/fingerprint").write_text(_fingerprint(files), "utf-8")


def digest() -> str:
    """Twelve digits that change with every file of `sql/` that decides what is built."""
    files = [*(SQL / "models").rglob("*.sql"), *(SQL / "audits").rglob("*.sql")]
    files += [SQL / "config.yaml", SQL / "external_models.yaml"]
    return _hash((path.relative_to(SQL).as_posix(), path.read_text("utf-8")) for path in files)


def _fingerprint(files: Mapping[str, str]) -> str:
    return f"project {digest()}, compiled {_hash(files.items())}\n"


def _hash(files: Iterable[tuple[str, str]]) -> str:
    return hashlib.sha256("\0".join(map("\0".join, sorted(files))).encode()).hexdigest()[:12]
